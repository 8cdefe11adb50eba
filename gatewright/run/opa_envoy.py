"""`--opa-envoy-config FILE`: opa-envoy-plugin's configuration instead of settings and bundle."""

import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gatewright
from callout.config.decision_logs import DecisionLogs
from callout.config.problems import Problem, Rejected
from callout.config.settings import Settings
from callout.serve import address
from extauthz.opa import config
from extauthz.opa import settings as opa
from extauthz.opa.plane import BundlePlane
from extauthz.opa.settings import EnvoyPlugin, OpaConfig
from gatewright.run.aside import aside
from gatewright.run.feed import Feed, Offer

MOST_BYTES: Final = 1024 * 1024
"""Of the file."""
LEAST_BUFFER: Final = 1 << 20
"""Bytes of decision events that may always wait: the least that our settings allow."""
MOST_BUFFER: Final = 1 << 40
"""The most that they allow."""
LEAST_UPLOAD: Final = 90
MOST_UPLOAD: Final = 1 << 32
"""Bytes of a request with decision events: OPA's bounds, within which it brings what is written."""
LEAST_DELAY: Final = 0.1
"""Seconds between two of them."""
MOST_DESCRIPTORS: Final = 32 * 1024 * 1024
"""Bytes of `proto-descriptor`, as of any file of a bundle."""


@dataclass(frozen=True)
class OpaEnvoy:
    """A good file, and what it names."""

    config: OpaConfig
    grpc: str
    """Where to listen, as settings say it."""
    descriptors: bytes | None
    warnings: tuple[Problem, ...]
    labels: Mapping[str, str]
    """Who we are, for reports and decision events: OPA's `id` and `version`, and those written."""

    def settings(self, given: Settings) -> Settings:
        """Settings in which what was left at its default is as the file says."""
        plugin, default = self.config.envoy, Settings.model_validate({})
        changed: dict[str, Any] = {"faces": ("authz",)}
        if given.listen.grpc == default.listen.grpc:
            changed["listen"] = given.listen.model_copy(update={"grpc": self.grpc})
        if given.max_message == default.max_message:
            changed["max_message"] = plugin.grpc_max_recv_msg_size
        if plugin.enable_reflection:
            changed["reflection"] = True
        if self.config.decision_logs is not None and given.decision_logs is None:
            changed["decision_logs"] = _decision_logs(self.config, self.config.decision_logs)
        return given.model_copy(update=changed)

    def feed(self, offer: Offer) -> Feed:
        """What brings the bundles."""
        return BundlePlane(self.config, offer, aside, self.labels, self.descriptors)


def read_opa_envoy(
    path: Path, environ: Mapping[str, str], given: Mapping[str, object]
) -> OpaEnvoy | Rejected:
    """Reads the file, and the descriptor set that it names (an edge).

    Args:
        path: the file.
        environ: variables that it may name.
        given: the command line's flags.
    """
    if given.get("bundle") is not None:
        problem = Problem("--bundle", 0, 0, "", "expected nothing beside --opa-envoy-config")
        return Rejected((problem,))
    data = _read(path, MOST_BYTES)
    if isinstance(data, Problem):
        return Rejected((data,))
    found = config.read(str(path), data, environ)
    if isinstance(found, Rejected):
        return found
    plugin = found.config.envoy
    grpc = _listen(path, plugin)
    descriptors = None
    if plugin.proto_descriptor:
        descriptors = _read(Path(plugin.proto_descriptor), MOST_DESCRIPTORS)
    wrong = [each for each in (grpc, descriptors) if isinstance(each, Problem)]
    if wrong or isinstance(grpc, Problem) or isinstance(descriptors, Problem):
        return Rejected(tuple(wrong))
    labels = {**found.config.labels, "id": str(uuid.uuid4()), "version": gatewright.__version__}
    return OpaEnvoy(found.config, grpc, descriptors, found.warnings, labels)


def _decision_logs(found: OpaConfig, logs: opa.DecisionLogs) -> DecisionLogs:
    """OPA's words for decision logs in ours."""
    reporting = logs.reporting
    told: dict[str, Any] = {
        "labels": dict(found.labels),
        "stdout": logs.console,
        "upload_bytes": min(max(reporting.upload_size_limit_bytes, LEAST_UPLOAD), MOST_UPLOAD),
        "min_delay": max(reporting.min_delay_seconds, LEAST_DELAY),
        "max_delay": max(reporting.max_delay_seconds, LEAST_DELAY),
        "max_per_second": reporting.max_decisions_per_second,
    }
    if reporting.buffer_size_limit_bytes is not None:
        buffer = min(max(reporting.buffer_size_limit_bytes, LEAST_BUFFER), MOST_BUFFER)
        told["buffer_bytes"] = buffer
    if logs.service:
        service = found.services[logs.service]
        told["url"] = f"{service.url.rstrip('/')}/{logs.resource.strip('/')}"
        bearer, client = service.credentials.bearer, service.credentials.client_tls
        if bearer is not None and bearer.token is not None:
            told["authorization"] = f"{bearer.scheme} {bearer.token}"
        elif bearer is not None:
            told["token_file"] = bearer.token_path
        if client is not None:
            told |= {"cert": client.cert, "key": client.private_key, "ca": client.ca_cert}
        if service.tls is not None and service.tls.ca_cert is not None:
            told["ca"] = service.tls.ca_cert
    return DecisionLogs.model_validate(told)


def _read(path: Path, most: int) -> bytes | Problem:
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        return Problem(str(path), 0, 0, "", f"expected a file: {error.strerror}")
    if len(data) > most:
        return Problem(str(path), 0, 0, "", f"expected at most {most} bytes, found more")
    return data


def _listen(path: Path, plugin: EnvoyPlugin) -> str | Problem:
    """The plugin's `:9191` is every address of the machine, both of IPv4 and of IPv6."""
    text = plugin.addr
    if text.startswith("unix://"):
        text = "unix:" + text.removeprefix("unix://")
    elif text.startswith(":"):
        every = "[::]" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - as written
        text = every + text
    try:
        address.parse(text)
    except ValueError as error:
        return Problem(str(path), 0, 0, "plugins.envoy_ext_authz_grpc.addr", str(error))
    return text
