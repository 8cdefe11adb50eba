"""Rego in this process: a plan and its data become an engine that answers at once."""

import time
import weakref
from collections.abc import Callable, Container, Hashable, Mapping, Sequence
from typing import Any, TypeAlias

from extauthz.policy.budget import CHUNK, CREDIT, DEFAULT, METER, Budget
from extauthz.policy.engine import UNDEFINED, Answer, PolicyFailed
from extauthz.policy.errors import BuiltinError, RegoError
from extauthz.policy.plan.effort import bounded
from extauthz.policy.plan.reader import read_plan
from extauthz.policy.plan.reads import Reads
from extauthz.policy.plan.recording import noted_in
from extauthz.policy.problems import PlanError, PlanRejected, refuse
from extauthz.policy.translator.program import Compiled, compile_plan
from extauthz.policy.translator.runtime import KEPT, begin
from extauthz.policy.values.representation import Value
from extauthz.policy.values.text import from_json, plain

Programs: TypeAlias = weakref.WeakValueDictionary[Hashable, Compiled]
"""Translated plans that some engine uses."""


class RegoEngine:
    """An `Engine` for one entrypoint; see `engine.Engine`. Safe to share between tasks."""

    def __init__(
        self,
        compiled: Compiled,
        data: Value,
        clock: Callable[[], int] = time.time_ns,
        budget: Budget = DEFAULT,
    ) -> None:
        """Put together what `load_plan` made.

        Args:
            compiled: the entrypoint.
            data: Rego's `data`: an object; never changed.
            clock: nanoseconds since 1970, for `time.now_ns`.
            budget: of one decision.
        """
        self.reads: Reads = compiled.reads
        """Parts of the input that the policy may look at; None: anything. See `reads.Reads`."""
        self.nondeterministic = compiled.nondeterministic
        """Builtins that it may call whose answers do not follow from their operands."""
        self.recorded = compiled.recorded
        """What the numbers that `decide_and_tell` gives mean; None: it cannot tell."""
        self._evaluate = compiled.evaluate
        self.data = self._data = data
        """Rego's `data`; never changed."""
        self._budget = budget
        self._clock = clock if compiled.nondeterministic else None
        self._compiled = compiled

    def decide(
        self, document: dict[str, Any], deadline: float | None, memo: dict[Any, Any] | None = None
    ) -> Answer | PolicyFailed:
        """Evaluate the entrypoint; at once, so the deadline does not matter.

        Args:
            document: see `Engine`.
            deadline: not looked at.
            memo: to be left with what was read; None: nobody wants to know.
        """
        del deadline
        if memo is None:
            memo = {CREDIT: CHUNK, METER: self._budget} if self._clock is None else self._begin()
        try:
            results = self._evaluate(document, self._data, memo)
            if not results:
                return UNDEFINED
            value = results[0]["result"]
            return value if type(value) is bool else plain(value)
        except RegoError as error:
            return PolicyFailed(error.reason, error.message)
        except RecursionError:
            return PolicyFailed("rego_too_deep", "the evaluation is nested too deeply")
        except Exception as error:
            # whatever it is, it must end as a denial; its text could hold request data
            return PolicyFailed("rego_internal", type(error).__name__)

    def decide_with(
        self, document: dict[str, Any], kept: Mapping[Hashable, Any]
    ) -> Answer | PolicyFailed:
        """As `decide`, where builtins find `kept` in the memo (`outside.world`)."""
        memo = self._begin()
        memo[KEPT].update(kept)
        return self.decide(document, None, memo)

    def decide_and_tell(
        self, document: dict[str, Any]
    ) -> tuple[Answer | PolicyFailed, Sequence[int]]:
        """The answer, and what this evaluation read of the input (`recorded`), in that order.

        `recording.IMPURE` is among that if the answer does not follow from the input alone.
        """
        memo = self._begin()
        answer = self.decide(document, None, memo)
        return answer, noted_in(memo)

    def _begin(self) -> dict[Any, Any]:
        if self._clock is None:
            return {CREDIT: CHUNK, METER: self._budget}
        return begin(self._clock(), self._budget)


def load_plan(
    plan: bytes,
    entrypoint: str,
    data: bytes | None,
    recorded: bool = False,
    budget: Budget = DEFAULT,
    strict: bool = False,
    permitted: Container[str] = (),
    programs: Programs | None = None,
) -> RegoEngine | PlanRejected:
    """Make an engine from a plan of OPA's compiler.

    Translating 1,000 rules takes some tenths of a second: not for the event loop.

    Args:
        plan: `plan.json`, untrusted: it is checked, and nothing in it becomes code.
        entrypoint: as the plan names it: `shop/allow`.
        data: Rego's `data` as JSON; None: empty.
        recorded: the engine can tell what an evaluation read.
        budget: of one decision.
        strict: an error of a builtin ends the decision; else its expression is undefined.
        permitted: builtins that look outside and may (`outside.permits.GATED`); an engine with one
            is for `outside.waiting`.
        programs: what was translated before, for other data; gets what is translated now.

    Returns:
        The engine, or all reasons why this plan cannot be used: an instruction or builtin that
        we do not have is named with its line of Rego.
    """
    try:
        name = (plan, entrypoint, strict, recorded, permitted)
        compiled = programs.get(name) if programs is not None else None
        if compiled is None:
            with bounded():
                compiled = compile_plan(read_plan(plan), entrypoint, strict, recorded, permitted)
            weakref.finalize(compiled, compiled.forget).atexit = False
            if programs is not None:
                programs[name] = compiled
        return RegoEngine(compiled, _data(data), budget=budget)
    except PlanError as error:
        return PlanRejected(error.problems)
    except RecursionError:
        return PlanRejected(refuse("the plan is nested too deeply").problems)


def _data(data: bytes | None) -> Value:
    if data is None:
        return {}
    try:
        value = from_json(data)
    except (ValueError, BuiltinError, RecursionError) as error:
        raise refuse(f"the data is not JSON that we can use: {error}") from None
    if type(value) is not dict:
        raise refuse("the data is not a JSON object")
    return value
