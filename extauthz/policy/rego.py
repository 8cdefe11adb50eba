"""Rego in this process: a plan and its data become an engine that answers at once."""

import time
import weakref
from collections.abc import Callable
from typing import Any

from extauthz.policy.engine import UNDEFINED, Answer, PolicyFailed
from extauthz.policy.errors import BuiltinError, RegoError
from extauthz.policy.plan.reader import read_plan
from extauthz.policy.plan.reads import Reads
from extauthz.policy.problems import PlanError, PlanRejected, refuse
from extauthz.policy.translator.program import Compiled, compile_plan
from extauthz.policy.translator.runtime import begin
from extauthz.policy.values.representation import Value
from extauthz.policy.values.text import from_json, plain


class RegoEngine:
    """An `Engine` for one entrypoint; see `engine.Engine`. Safe to share between tasks."""

    def __init__(
        self, compiled: Compiled, data: Value, clock: Callable[[], int] = time.time_ns
    ) -> None:
        """Put together what `load_plan` made.

        Args:
            compiled: the entrypoint.
            data: Rego's `data`: an object; never changed.
            clock: nanoseconds since 1970, for `time.now_ns`.
        """
        self.reads: Reads = compiled.reads
        """Parts of the input that the policy may look at; None: anything. See `reads.Reads`."""
        self._evaluate = compiled.evaluate
        self._data = data
        self._clock = clock if compiled.nondeterministic else None
        weakref.finalize(self, compiled.forget).atexit = False

    def decide(self, document: dict[str, Any], deadline: float | None) -> Answer | PolicyFailed:
        """Evaluate the entrypoint; at once, so the deadline does not matter."""
        del deadline
        memo = {} if self._clock is None else begin(self._clock())
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


def load_plan(plan: bytes, entrypoint: str, data: bytes | None) -> RegoEngine | PlanRejected:
    """Make an engine from a plan of OPA's compiler.

    Translating 1,000 rules takes some tenths of a second: not for the event loop.

    Args:
        plan: `plan.json`, untrusted: it is checked, and nothing in it becomes code.
        entrypoint: as the plan names it: `shop/allow`.
        data: Rego's `data` as JSON; None: empty.

    Returns:
        The engine, or all reasons why this plan cannot be used: an instruction or builtin that
        we do not have is named with its line of Rego.
    """
    try:
        return RegoEngine(compile_plan(read_plan(plan), entrypoint), _data(data))
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
