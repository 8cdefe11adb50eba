"""`--er-config [DIR]`: envoyproxy/ratelimit's folder and environment instead of a bundle."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from callout.config.bundle import Bundle
from callout.config.problems import Problem, Rejected
from callout.config.settings import PREFIX, Settings
from gatewright.run.er.environment import DEBUG, GRPC, HTTP, ErEnvironment, read
from gatewright.run.feed import DirectoryFeed, Feed, Offer
from gatewright.run.options import xds_options
from ratelimit.config import FOLDER
from ratelimit.domains import load

FROM_ENVIRONMENT: Final = ""
"""What the flag is without a folder: RUNTIME_ROOT/RUNTIME_SUBDIRECTORY/RUNTIME_APPDIRECTORY."""

XDS_ALONE: Final = Problem(
    "xds", 0, 0, "", "adds to a bundle of ours, and there is none: expected nothing"
)
"""A server beside a folder, or beside bundles, of another service's."""

_RUNTIME: Final = ("RUNTIME_ROOT", "RUNTIME_SUBDIRECTORY", "RUNTIME_APPDIRECTORY")


_AS_THERE: Final = {
    f"{PREFIX}FACES": "limit",
    f"{PREFIX}LIMITS__COMPAT": "er",
    f"{PREFIX}LIMITS__DENY_CACHE": "false",
}
"""What holds unless it is said: there is no local cache without LOCAL_CACHE_SIZE_IN_BYTES."""


@dataclass(frozen=True)
class ErRatelimit:
    """Where the files are, and what the environment says."""

    folder: str | None
    """None: a management server has them."""
    environment: ErEnvironment

    def environ(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        """The environment with what it says in our words; words of ours win."""
        return {**_AS_THERE, **self.environment.variables, **environ}

    def settings(self, found: Settings | Rejected) -> Settings | Rejected:
        """Settings that listen where envoyproxy/ratelimit does, unless something else is said."""
        if isinstance(found, Rejected):
            return self.environment.renamed(found)
        if found.xds is not None and self.folder is not None:
            return Rejected((XDS_ALONE,))
        default = Settings.model_validate({}).listen
        changed: dict[str, Any] = {}
        for name, (host, port) in (("grpc", GRPC), ("admin", DEBUG), ("http", HTTP)):
            if getattr(found.listen, name) == getattr(default, name):
                changed[name] = f"{host}:{port}"
        return found.model_copy(update={"listen": found.listen.model_copy(update=changed)})

    def warnings(self, settings: Settings) -> tuple[Problem, ...]:
        """What its operator should look at."""
        warnings = [*self.environment.warnings]
        if settings.redis is None:
            warnings.append(
                _warning("REDIS_URL", "is not set: counters are in memory, of this machine alone")
            )
        tls = settings.tls
        if tls is not None and tls.client_ca is not None and settings.listen.http_address:
            message = (
                "answers without TLS who has no client certificate, as there: "
                "GATEWRIGHT_LISTEN__HTTP=off closes it"
            )
            warnings.append(_warning("PORT", message))
        return tuple(warnings)

    def feed(self, settings: Settings, offer: Offer) -> Feed:
        """What brings the files."""
        if self.folder is None:
            return self._from_server(settings, offer)

        async def offered(found: Bundle | Rejected) -> tuple[Problem, ...]:
            return await offer(found if isinstance(found, Rejected) else as_bundle(found))

        # Failures to read at all are logged by what watches, and tried again.
        return DirectoryFeed(self.folder, offered, on_failure=lambda: None)

    @staticmethod
    def _from_server(settings: Settings, offer: Offer) -> Feed:
        # Here: gRPC's client costs 8 MB that most services have no use for.
        from gatewright.run.xds_feed import XdsFeed

        xds = settings.xds
        if xds is None:
            raise AssertionError("the environment names a server")
        limits = settings.limits
        return XdsFeed(
            None,
            xds_options(xds),
            xds.initial_fetch_timeout,
            offer,
            on_failure=lambda: None,
            read=partial(
                load,
                merge=limits.merge_domains,
                joined=limits.compat == "er",
                calendar=limits.calendar_month,
            ),
        )


def read_er(
    folder: str, environ: Mapping[str, str], given: Mapping[str, object]
) -> ErRatelimit | Rejected:
    """What the flag, the environment and the other flags say together. Pure.

    Args:
        folder: what the flag names.
        environ: the whole environment.
        given: the command line's flags.
    """
    if given.get("bundle") is not None:
        problem = Problem("--bundle", 0, 0, "", "expected nothing beside --er-config")
        return Rejected((problem,))
    environment = read(environ)
    if isinstance(environment, Rejected):
        return environment
    if folder == FROM_ENVIRONMENT:
        return ErRatelimit(environment.folder, environment)
    if environment.folder is None:
        message = "takes the limits from a management server: expected no folder at --er-config"
        return Rejected((Problem("CONFIG_TYPE", 0, 0, "", message),))
    set_too = [name for name in _RUNTIME if environ.get(name)]
    if set_too and Path(folder) != Path(environment.folder):
        message = "names another folder than --er-config: expected one of them"
        return Rejected(tuple(Problem(name, 0, 0, "", message) for name in set_too))
    return ErRatelimit(folder, environment)


def _warning(name: str, message: str) -> Problem:
    return Problem(name, 0, 0, "", message, severity="warning")


def as_bundle(found: Bundle) -> Bundle | Rejected:
    """The folder as the folder `ratelimit/` of a bundle.

    Every file is one of limits, whatever its name: envoyproxy/ratelimit reads all that there are
    (github.com/lyft/goruntime).
    """
    files: dict[str, bytes] = {}
    for path, data in found.files.items():
        name = path if path.endswith((".yaml", ".yml")) else f"{path}.yaml"
        if name != path and name in found.files:
            message = f"expected another name: beside {name} it cannot be told apart"
            return Rejected((Problem(path, 0, 0, "", message),))
        files[f"{FOLDER}/{name}"] = data
    return Bundle(files)
