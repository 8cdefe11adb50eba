"""What is reported of bundles, as OPA's status API says it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from callout.config.problems import Problem
from extauthz.opa.bundle import OpaBundle
from extauthz.opa.problems import BundleRefused, RequestFailed

Stage: TypeAlias = Literal["request", "activation"]
"""Where something failed: nothing came, or what came is not used."""

NEVER: Final = "0001-01-01T00:00:00Z"
"""Go's zero time."""
_CODE: Final = "bundle_error"
_COMPILE: Final = "error(s) occurred while compiling module(s)"


@dataclass
class BundleStatus:
    """What became of one bundle. Times are seconds since 1970; 0: never."""

    name: str
    revision: str = ""
    """Of what is in use."""
    type: str = ""
    size: int = 0
    activated: float = 0.0
    downloaded: float = 0.0
    succeeded: float = 0.0
    """When the service last answered well: by what could be read, or that nothing is new."""
    requested: float = 0.0
    """When a request last ended, well or not."""
    problem: BundleRefused | None = None
    """Why what came last is not used; None: it is, or nothing came."""
    timers: dict[str, int] = field(default_factory=dict)
    """Of the last request, by OPA's names: nanoseconds."""
    activations: int = 0
    failures: dict[Stage, int] = field(default_factory=lambda: {"request": 0, "activation": 0})
    """Each try counts."""

    @property
    def is_active(self) -> bool:
        """Whether it is in use and nothing is wrong with what came last: OPA's readiness."""
        return self.activated > 0 and self.problem is None

    def taken(self, bundle: OpaBundle, now: float) -> None:
        """It is in use from now on."""
        self.problem = None
        self.revision = bundle.revision
        self.type = bundle.type
        self.activated = now
        self.activations += 1

    def failed(self, problem: BundleRefused) -> None:
        """What was in use stays."""
        self.problem = problem
        self.failures["request" if isinstance(problem, RequestFailed) else "activation"] += 1

    def document(self) -> dict[str, Any]:
        """As OPA writes it."""
        document: dict[str, Any] = {"name": self.name}
        if self.revision:
            document["active_revision"] = self.revision
        if self.type:
            document["type"] = self.type
        if self.size:
            document["size"] = self.size
        document["last_successful_activation"] = rfc3339(self.activated)
        document["last_successful_download"] = rfc3339(self.downloaded)
        document["last_successful_request"] = rfc3339(self.succeeded)
        document["last_request"] = rfc3339(self.requested)
        if self.problem is not None:
            document |= _error(self.problem)
        if self.timers:
            document["metrics"] = dict(self.timers)
        return document


def report(
    labels: Mapping[str, str],
    bundles: Mapping[str, BundleStatus],
    plugins: Mapping[str, bool],
    metrics: Mapping[str, Any],
) -> dict[str, Any]:
    """The body of one report.

    Args:
        labels: who we are.
        bundles: by name.
        plugins: by OPA's name, whether it works.
        metrics: by name, as Prometheus' JSON has them.
    """
    states = {name: {"state": "OK" if good else "NOT_READY"} for name, good in plugins.items()}
    return {
        "labels": dict(labels),
        "bundles": {name: each.document() for name, each in bundles.items()},
        "metrics": {"prometheus": dict(metrics)},
        "plugins": states,
    }


def rfc3339(seconds: float) -> str:
    """A time as Go writes it."""
    if not seconds:
        return NEVER
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _error(problem: BundleRefused) -> dict[str, Any]:
    if problem.errors:
        errors = [_rego_error(each) for each in problem.errors]
        return {"code": _CODE, "message": _COMPILE, "errors": errors}
    found: dict[str, Any] = {"code": _CODE, "message": problem.message}
    if problem.http_code is not None:
        found["http_code"] = problem.http_code
    return found


def _rego_error(problem: Problem) -> dict[str, Any]:
    code, colon, message = problem.message.partition(": ")
    if not colon or not code.startswith("rego_"):
        code, message = "rego_compile_error", problem.message
    location = {"file": problem.file, "row": problem.line, "col": problem.column}
    return {"code": code, "message": message, "location": location}
