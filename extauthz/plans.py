"""From `decide: {rego: FOLDER, ...}` to an engine, by the plan that is in the bundle.

The plan is put there before (`policy.compiler`): making one runs other processes, and this is
part of the pure loader.
"""

import hashlib
import weakref
from collections.abc import Sequence

from callout.config.bundle import Bundle
from callout.config.problems import Problem, Rejected
from callout.config.source import Source
from extauthz import models
from extauthz.input import InputBuilder, InputRules
from extauthz.policy.budget import Budget
from extauthz.policy.compiler.plans import RegoSource, compiled_path, plan_key, rego_sources
from extauthz.policy.outside.permits import HttpPermit, Permits
from extauthz.policy.outside.waiting import WaitingEngine
from extauthz.policy.printing import PRINT
from extauthz.policy.problems import PlanProblem, PlanRejected
from extauthz.policy.rego import Programs, RegoEngine, load_plan


def rego_wanted(policies: Sequence[Source]) -> list[RegoSource]:
    """The Rego that some policy names, as far as it is well-formed: what must be compiled.

    A more specific policy replaces `decide` as a whole, so the documents as written name all.
    """
    found = []
    for policy in policies:
        decide = policy.at("auth", "decide").value
        if isinstance(decide, dict):
            folder, entrypoint = decide.get("rego"), decide.get("entrypoint")
            if isinstance(folder, str) and isinstance(entrypoint, str):
                found.append(RegoSource(folder, entrypoint, decide.get("print") is True))
    return found


NO_PLAN = "expected a compiled plan"
"""How the problem begins of Rego that was not compiled; when compiling failed, it says no more."""


class PlanCache:
    """Translates each plan once: 1,000 rules take 0.4 s, and many policies share one.

    Keeps what the last bundle and the one before it used, as a reload mostly changes little.
    """

    def __init__(self) -> None:
        self._digest = ""
        # with data of its own for each of 1,000 tenants, one program: 12 ms less to load each, and
        # their code stays in the processor's caches
        self._programs: Programs = weakref.WeakValueDictionary()
        self._now: dict[bytes, RegoEngine | WaitingEngine | PlanRejected] = {}
        self._before: dict[bytes, RegoEngine | WaitingEngine | PlanRejected] = {}
        self._builders: dict[tuple[RegoEngine | WaitingEngine, InputRules], InputBuilder] = {}

    def engine(
        self,
        rego: models.Rego,
        source: Source,
        bundle: Bundle,
        rules: InputRules = InputRules(),  # noqa: B008  # frozen
        recorded: bool = False,
    ) -> tuple[RegoEngine | WaitingEngine, InputBuilder] | Rejected:
        """The engine of one `decide` block, and the builder of the input that it reads.

        Args:
            rego: the block.
            source: its place, for problems.
            bundle: has the sources, the data, and the compiled plan.
            rules: of the input.
            recorded: whether the engine must be able to tell what it read.
        """
        files = rego_sources(bundle, rego.rego)
        if not files:
            return _rejected(
                source, "rego", f"expected a folder with Rego files, found none in `{rego.rego}`"
            )
        data = None
        if rego.data is not None:
            data = bundle.read(rego.data)
            if data is None:
                return _rejected(
                    source, "data", f"expected a file of the bundle, found no `{rego.data}`"
                )
        path = compiled_path(plan_key(files, rego.entrypoint, rego.print))
        plan = bundle.read(path)
        if plan is None:
            return _rejected(
                source,
                "rego",
                f"{NO_PLAN} of `{rego.rego}` for `{rego.entrypoint}`, found no "
                f"`{path}`: `gatewright build` makes it",
            )
        found = self._load(rego, plan, data, bundle.digest, recorded)
        if isinstance(found, PlanRejected):
            return Rejected(tuple(_problem(each, source, bundle) for each in found.problems))
        builder = self._builders.get((found, rules))
        if builder is None:
            builder = self._builders[found, rules] = InputBuilder(found.reads, rules)
        return found, builder

    def _load(
        self, rego: models.Rego, plan: bytes, data: bytes | None, digest: str, recorded: bool
    ) -> RegoEngine | WaitingEngine | PlanRejected:
        if digest != self._digest:
            self._digest, self._before, self._now = digest, self._now, {}
            self._builders = {}
        name = hashlib.sha256(b"\0".join((_how(rego, recorded), plan, data or b""))).digest()
        found = self._now.get(name) or self._before.get(name)
        if found is None:
            budget = Budget(rego.budget.steps, rego.budget.milliseconds)
            permits = _permits(rego.allow)
            loaded = load_plan(
                plan,
                rego.entrypoint,
                data,
                recorded,
                budget,
                rego.strict,
                permits.allowed() | {PRINT} if rego.print else permits.allowed(),
                self._programs,
            )
            found = loaded
            if isinstance(loaded, RegoEngine) and loaded.nondeterministic & permits.allowed():
                found = WaitingEngine(loaded, permits)
        self._now[name] = found
        return found


def _permits(allow: models.Allow) -> Permits:
    http = None
    if allow.http is not None:
        written = allow.http
        http = HttpPermit(
            frozenset(host.lower() for host in written.hosts),
            frozenset(written.methods),
            written.timeout,
            written.private,
            written.max_body,
        )
    runtime = None if allow.runtime is None else {"config": {"labels": allow.runtime}}
    return Permits(http, frozenset(name.lower() for name in allow.lookup), runtime)


def _how(rego: models.Rego, recorded: bool) -> bytes:
    """What an engine is besides its plan and data."""
    how = (rego.entrypoint, recorded, rego.budget, rego.strict, rego.print, rego.allow)
    return repr(how).encode()


def _rejected(source: Source, field: str, message: str) -> Rejected:
    return Rejected((source.problem((field,), message),))


def _problem(problem: PlanProblem, source: Source, bundle: Bundle) -> Problem:
    """A plan's problem, at its line of Rego if the compiler said which file of ours it is."""
    if bundle.read(problem.file) is None:
        return source.problem(("rego",), str(problem))
    return Problem(problem.file, problem.line, problem.column, "", problem.message)
