"""From `decide: {rego: FOLDER, ...}` to an engine, by the plan that is in the bundle.

The plan is put there before (`policy.compiler`): making one runs other processes, and this is
part of the pure loader.
"""

import hashlib
from collections.abc import Sequence

from callout.config.bundle import Bundle
from callout.config.problems import Problem, Rejected
from callout.config.source import Source
from extauthz import models
from extauthz.input import InputBuilder
from extauthz.policy.compiler.plans import RegoSource, compiled_path, plan_key, rego_sources
from extauthz.policy.engine import Engine
from extauthz.policy.problems import PlanProblem, PlanRejected
from extauthz.policy.rego import load_plan


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
                found.append(RegoSource(folder, entrypoint))
    return found


NO_PLAN = "expected a compiled plan"
"""How the problem begins of Rego that was not compiled; when compiling failed, it says no more."""


class PlanCache:
    """Translates each plan once: 1,000 rules take 0.4 s, and many policies share one.

    Keeps what the last bundle and the one before it used, as a reload mostly changes little.
    """

    def __init__(self) -> None:
        self._digest = ""
        self._now: dict[bytes, tuple[Engine, InputBuilder] | PlanRejected] = {}
        self._before: dict[bytes, tuple[Engine, InputBuilder] | PlanRejected] = {}

    def engine(
        self, rego: models.Rego, source: Source, bundle: Bundle
    ) -> tuple[Engine, InputBuilder] | Rejected:
        """The engine of one `decide` block, and the builder of the input that it reads.

        Args:
            rego: the block.
            source: its place, for problems.
            bundle: has the sources, the data, and the compiled plan.
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
        path = compiled_path(plan_key(files, rego.entrypoint))
        plan = bundle.read(path)
        if plan is None:
            return _rejected(
                source,
                "rego",
                f"{NO_PLAN} of `{rego.rego}` for `{rego.entrypoint}`, found no "
                f"`{path}`: `gatewright build` makes it",
            )
        found = self._load(plan, rego.entrypoint, data, bundle.digest)
        if isinstance(found, PlanRejected):
            return Rejected(tuple(_problem(each, source, bundle) for each in found.problems))
        return found

    def _load(
        self, plan: bytes, entrypoint: str, data: bytes | None, digest: str
    ) -> tuple[Engine, InputBuilder] | PlanRejected:
        if digest != self._digest:
            self._digest, self._before, self._now = digest, self._now, {}
        name = hashlib.sha256(b"\0".join((entrypoint.encode(), plan, data or b""))).digest()
        found = self._now.get(name) or self._before.get(name)
        if found is None:
            engine = load_plan(plan, entrypoint, data)
            if isinstance(engine, PlanRejected):
                found = engine
            else:
                found = (engine, InputBuilder(engine.reads))
        self._now[name] = found
        return found


def _rejected(source: Source, field: str, message: str) -> Rejected:
    return Rejected((source.problem((field,), message),))


def _problem(problem: PlanProblem, source: Source, bundle: Bundle) -> Problem:
    """A plan's problem, at its line of Rego if the compiler said which file of ours it is."""
    if bundle.read(problem.file) is None:
        return source.problem(("rego",), str(problem))
    return Problem(problem.file, problem.line, problem.column, "", problem.message)
