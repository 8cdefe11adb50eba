"""From `decide: {rego: FOLDER, ...}` to an engine, by the plan that the bundle brings."""

import hashlib

from callout.config.bundle import Bundle
from callout.config.problems import Problem, Rejected
from callout.config.source import Source
from extauthz import models
from extauthz.input import InputBuilder
from extauthz.policy.compiler import compiled_path, plan_key
from extauthz.policy.engine import Engine
from extauthz.policy.problems import PlanProblem, PlanRejected
from extauthz.policy.rego import load_plan

TESTS = "_test.rego"
"""End of the names of files that are not part of a policy."""


def sources(bundle: Bundle, folder: str) -> dict[str, bytes]:
    """The Rego files of a folder of the bundle, without tests, by their paths in the bundle."""
    return {
        path: data
        for path, data in bundle.under(folder).items()
        if path.endswith(".rego") and not path.endswith(TESTS)
    }


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
        files = sources(bundle, rego.rego)
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
                f"expected a compiled plan of `{rego.rego}` for `{rego.entrypoint}`, found no "
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
