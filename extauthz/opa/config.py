"""Reads OPA's configuration file: `bytes -> OpaConfig | problems`, pure.

What OPA knows and we do not support is refused by name, what cannot change a decision is a
warning, and whatever nobody knows is a mistake.
"""

import posixpath
import re
from collections.abc import Mapping
from typing import Annotated, Final, NamedTuple
from urllib.parse import urlsplit

from pydantic import Field

from callout.config.merge import merge
from callout.config.problems import Problem, Rejected
from callout.config.source import Origin, Source, Step
from callout.config.validate import Block, validate
from callout.config.yaml import parse
from extauthz.decision_logs.log_rules import DROP, MASK
from extauthz.opa import signatures
from extauthz.opa.settings import (
    BundleSource,
    DecisionLogs,
    EnvoyPlugin,
    Key,
    OpaConfig,
    Plugins,
    Service,
    Status,
)

DECISION: Final = "envoy/authz/allow"
"""opa-envoy-plugin's own default."""
PERSISTENCE: Final = ".opa"
"""OPA's own default, relative to the working directory."""

_VARIABLE: Final = re.compile(r"\$\{([^}\n]+)\}")
_NAME: Final = re.compile(r"(?!\.\.?(?:/|$))[\w.-]+(?:/(?!\.\.?(?:/|$))[\w.-]+)*", re.ASCII)
"""Of a bundle: it is part of a URL, and of a path on disk."""
_SEGMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_SUPPORTED: Final = "`bearer`, `client_tls`, `oauth2` and `s3_signing`"

REFUSED: Final[Mapping[tuple[str, ...], str]] = {
    ("discovery",): "write `bundles` here",
    ("bundle",): "write `bundles: {NAME: ...}`",
    ("distributed_tracing",): "the setting `telemetry.otlp` says where traces go",
    ("metrics_export",): "metrics are at the admin port",
    ("storage",): "data is kept in memory",
    **{
        ("services", "*", "credentials", each): f"{_SUPPORTED} are"
        for each in ("gcp_metadata", "azure_managed_identity", "plugin")
    },
    **{
        ("services", "*", "credentials", "oauth2", each): "`client_secret` is"
        for each in (
            *("signing_key", "thumbprint", "additional_claims", "include_jti_claim"),
            *("aws_kms", "aws_signing", "azure_keyvault", "azure_signing"),
            *("client_assertion", "client_assertion_path", "client_assertion_type"),
        )
    },
    **{
        ("services", "*", "credentials", "s3_signing", f"{each}_credentials"): (
            "`environment_credentials` are"
        )
        for each in ("metadata", "assume_role", "web_identity", "profile", "sso")
    },
    ("decision_logs", "plugin"): "`service` and `console` are",
    ("status", "plugin"): "`service` and `console` are",
}
"""What OPA knows and we do not support, and what there is instead."""
IDLE: Final[Mapping[tuple[str, ...], str]] = {
    ("default_decision",): "Envoy asks for the plugin's own path",
    ("default_authorization_decision",): "there is no REST API to guard",
    ("caching",): "caches of builtins have bounds of their own",
    ("nd_builtin_cache",): "events do not hold the answers of builtins",
    ("decision_logs", "nd_builtin_cache"): "events do not hold the answers of builtins",
    ("decision_logs", "request_context"): "Envoy's own headers are in the input",
    ("decision_logs", "reporting", "buffer_type"): "what waits is bounded in bytes",
    ("decision_logs", "reporting", "buffer_size_limit_events"): "what waits is bounded in bytes",
    ("server",): "there is no REST API",
    ("status", "prometheus"): "metrics of bundles are at the admin port",
    ("status", "prometheus_config"): "metrics of bundles are at the admin port",
    (
        "plugins",
        "envoy_ext_authz_grpc",
        "grpc-max-send-msg-size",
    ): "answers have bounds of their own",
    (
        "plugins",
        "envoy_ext_authz_grpc",
        "enable-performance-metrics",
    ): "metrics are at the admin port",
    (
        "plugins",
        "envoy_ext_authz_grpc",
        "grpc-request-duration-seconds-buckets",
    ): "metrics are at the admin port",
}
"""What changes no decision and has no effect here, and why."""


class _File(Block):
    """The file, `services` as a mapping."""

    services: dict[str, Service] = Field(default={})
    labels: dict[str, str] = Field(default={})
    bundles: dict[str, BundleSource] = Field(default={})
    keys: dict[str, Key] = Field(default={})
    decision_logs: DecisionLogs | None = None
    status: Status | None = None
    plugins: Plugins = Plugins()
    persistence_directory: Annotated[str, Field(min_length=1)] = PERSISTENCE


class Read(NamedTuple):
    """A good file."""

    config: OpaConfig
    warnings: tuple[Problem, ...]
    """What has no effect here."""


def read(file: str, data: bytes, environ: Mapping[str, str]) -> Read | Rejected:
    """Reads a file as `opa run --config-file` does.

    Args:
        file: its name, for problems.
        data: YAML, or JSON; `${NAME}` is replaced by the variable of that name if there is one.
        environ: the variables.

    Returns:
        All problems, each with its line.
    """
    documents = parse(file, _substituted(data, environ))
    if isinstance(documents, Rejected):
        return documents
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        mark = documents[1 if len(documents) > 1 else 0].mark if documents else (file, 0, 0)
        return Rejected((Problem(*mark, "", "expected one mapping: OPA's configuration"),))
    source = _services_by_name(merge([documents[0]]))
    problems: list[Problem] = []
    warnings: list[Problem] = []
    for pattern, instead in REFUSED.items():
        for path in _found(source, pattern):
            message = f"expected nothing, found {path[-1]}: it is not supported; {instead}"
            problems.append(source.problem(path, message, key=True))
    for pattern, why in IDLE.items():
        for path in _found(source, pattern):
            message = f"has no effect: {why}"
            warnings.append(source.problem(path, message, severity="warning", key=True))
    source = _without(source, [*REFUSED, *IDLE])
    found = validate(_File, source)
    if isinstance(found, Rejected):
        return Rejected((*problems, *found.problems))
    checker = _Checker(found, source)
    config = checker.checked()
    problems += checker.problems
    return Rejected(tuple(problems)) if problems else Read(config, tuple(warnings))


def _substituted(data: bytes, environ: Mapping[str, str]) -> bytes:
    """As OPA does, in the text: a variable that is not there stays as it is written."""
    text = data.decode("utf-8", "surrogateescape")
    text = _VARIABLE.sub(lambda found: environ.get(found[1], found[0]), text)
    return text.encode("utf-8", "surrogateescape")


def _services_by_name(source: Source) -> Source:
    """`services` may be a list of services with names."""
    services = source.at("services")
    if not isinstance(services.value, list):
        return source
    named: dict[str, object] = {}
    origins: dict[Step, Origin] = {}
    for index, each in enumerate(services.value):
        name = each.get("name") if isinstance(each, dict) else None
        key = name if isinstance(name, str) else f"services[{index}]"
        named[key] = each
        origins[key] = services.at(index).origin
    origin = Origin(services.mark, {str(key): each.mark for key, each in origins.items()}, origins)
    children = {**source.origin.children, "services": origin}
    return Source(
        {**source.value, "services": named}, source.origin._replace(children=children), source.path
    )


def _found(source: Source, pattern: tuple[str, ...]) -> list[tuple[Step, ...]]:
    """The fields that are written and that a pattern means; `*` is any key."""
    paths: list[tuple[Step, ...]] = [()]
    for step in pattern:
        there = [(path, source.at(*path).value) for path in paths]
        paths = [
            (*path, key)
            for path, value in there
            if isinstance(value, dict)
            for key in value
            if step in ("*", key)
        ]
    return [path for path in paths if source.at(*path).value is not False]


def _without(source: Source, patterns: list[tuple[str, ...]]) -> Source:
    def pruned(value: object, patterns: list[tuple[str, ...]]) -> object:
        if not isinstance(value, dict) or not patterns:
            return value
        kept = {}
        for key, each in value.items():
            here = [pattern for pattern in patterns if pattern[0] in ("*", key)]
            if not any(len(pattern) == 1 for pattern in here):
                kept[key] = pruned(each, [pattern[1:] for pattern in here])
        return kept

    return Source(pruned(source.value, patterns), source.origin, source.path)


class _Checker:
    """What types alone do not say."""

    def __init__(self, file: _File, source: Source) -> None:
        self._file = file
        self._source = source
        self.problems: list[Problem] = []

    def checked(self) -> OpaConfig:
        """The configuration with OPA's defaults; worth nothing if there are problems."""
        file = self._file
        if not isinstance(self._source.at("plugins", "envoy_ext_authz_grpc").value, dict):
            # An OPA without the plugin answers no Envoy: another program's file was named.
            self._report(("plugins",), "expected `envoy_ext_authz_grpc`, found none")
        for name, service in file.services.items():
            self._service(name, service)
        for name, key in file.keys.items():
            self._key(name, key)
        return OpaConfig(
            envoy=file.plugins.envoy_ext_authz_grpc,
            decision=self._decision(file.plugins.envoy_ext_authz_grpc),
            services=file.services,
            bundles={name: self._bundle(name, each) for name, each in file.bundles.items()},
            keys=file.keys,
            labels=file.labels,
            decision_logs=self._decision_logs(file.decision_logs),
            status=self._status(file.status),
            persistence=file.persistence_directory,
        )

    def _report(self, path: tuple[Step, ...], message: str) -> None:
        self.problems.append(self._source.problem(path, message))

    def _service(self, name: str, service: Service) -> None:
        path = ("services", name)
        try:
            parts = urlsplit(service.url)
            good = parts.scheme in ("http", "https") and bool(parts.hostname)
            good = good and not parts.username and not parts.query and not parts.fragment
            _ = parts.port
        except ValueError:
            good = False
        if not good:
            self._report((*path, "url"), "expected http://HOST/PATH or https://HOST/PATH")
        if service.type:
            message = "expected nothing, found a kind of service that is not supported; HTTP is"
            self._report((*path, "type"), message)
        credentials = service.credentials
        if sum(value is not None for _, value in credentials) > 1:
            self._report((*path, "credentials"), f"expected only one of {_SUPPORTED}")
        bearer = credentials.bearer
        if bearer is not None and (bearer.token is None) == (bearer.token_path is None):
            where = (*path, "credentials", "bearer")
            self._report(where, "expected exactly one of `token`, `token_path`")

    def _key(self, name: str, key: Key) -> None:
        if key.key is None:
            # With a private key alone OPA cannot verify either; it says so at the first bundle.
            self._report(("keys", name), "expected `key`: nothing is verified without")
        elif wrong := signatures.why_unusable(key):
            self._report(("keys", name, "key"), wrong)

    def _bundle(self, name: str, bundle: BundleSource) -> BundleSource:
        path = ("bundles", name)
        if not _NAME.fullmatch(name) or len(name) > 200:
            message = "expected a name of letters, digits, `.`, `_`, `-` and `/`"
            self.problems.append(self._source.problem(path, message, key=True))
        self._delays(
            (*path, "polling"), bundle.polling.min_delay_seconds, bundle.polling.max_delay_seconds
        )
        signing, keys = bundle.signing, self._file.keys
        if signing is not None and signing.keyid and signing.keyid not in keys:
            self._report((*path, "signing", "keyid"), "expected one of `keys`, found none of them")
        elif signing is not None and not keys:
            self._report((*path, "signing"), "expected `keys` to verify with, found none")
        resource = bundle.resource or posixpath.join("bundles", name)
        if resource.startswith("file://"):
            return bundle.model_copy(update={"resource": resource})
        service = self._named_service((*path, "service"), bundle.service, needed=True)
        return bundle.model_copy(update={"resource": resource, "service": service})

    def _delays(self, path: tuple[Step, ...], least: int, most: int) -> None:
        written = self._source.at(*path).value or {}
        if ("min_delay_seconds" in written) != ("max_delay_seconds" in written):
            self._report(path, "expected both `min_delay_seconds` and `max_delay_seconds`")
        elif least > most:
            self._report((*path, "max_delay_seconds"), f"expected at least {least}, found {most}")

    def _named_service(self, path: tuple[Step, ...], name: str, *, needed: bool) -> str:
        if not name and self._file.services and needed:
            return next(iter(self._file.services))
        if (name or needed) and name not in self._file.services:
            self._report(path, "expected one of `services`, found none of them")
        return name

    def _decision_logs(self, logs: DecisionLogs | None) -> DecisionLogs | None:
        if logs is None:
            return None
        reporting, path = logs.reporting, ("decision_logs", "reporting")
        self._delays(path, reporting.min_delay_seconds, reporting.max_delay_seconds)
        if reporting.buffer_size_limit_bytes and reporting.max_decisions_per_second:
            message = "expected only one of `buffer_size_limit_bytes`, `max_decisions_per_second`"
            self._report((*path, "max_decisions_per_second"), message)
        for key, only in (("mask_decision", MASK), ("drop_decision", DROP)):
            if getattr(logs, key).strip("/") != only:
                rule = f"data.{only.replace('/', '.')}"
                message = f"expected /{only}: another path is not supported; the rule is {rule}"
                self._report(("decision_logs", key), message)
        needed = not logs.console
        service = self._named_service(("decision_logs", "service"), logs.service, needed=needed)
        if service:
            self._sends_logs(service)
        resource = logs.resource or "/logs"
        if logs.partition_name:
            resource = f"/logs/{logs.partition_name}"
        return logs.model_copy(update={"service": service, "resource": resource})

    def _sends_logs(self, name: str) -> None:
        """Refuses what a service of decision logs cannot be told; bundles and status can."""
        service = self._file.services.get(name)
        if service is None:
            return
        bearer, client = service.credentials.bearer, service.credentials.client_tls
        wrong = {
            "headers": bool(service.headers),
            "allow_insecure_tls": service.allow_insecure_tls,
            "credentials": (client is not None and client.private_key_passphrase is not None)
            or (bearer is not None and bearer.token_path is not None and bearer.scheme != "Bearer")
            or service.credentials.oauth2 is not None
            or service.credentials.s3_signing is not None,
        }
        for key, is_there in wrong.items():
            if is_there:
                message = "expected nothing that a service of decision logs cannot have"
                self._report(("services", name, key), message)

    def _status(self, status: Status | None) -> Status | None:
        if status is None:
            return None
        prometheus = self._source.at("status", "prometheus").value is True
        if not status.service and not status.console and (prometheus or not self._file.services):
            return None
        needed = not status.console
        service = self._named_service(("status", "service"), status.service, needed=needed)
        return status.model_copy(update={"service": service})

    def _decision(self, plugin: EnvoyPlugin) -> str:
        path = ("plugins", "envoy_ext_authz_grpc")
        if plugin.path is not None and plugin.query is not None:
            self._report((*path, "query"), "expected only one of `path`, `query`")
        decision = plugin.path or DECISION
        if plugin.query is not None:
            decision = plugin.query.removeprefix("data.").replace(".", "/")
            if not plugin.query.startswith("data.") or not _is_path(decision):
                self._report((*path, "query"), "expected a document: data.envoy.authz.allow")
        elif not all(each and each.isprintable() for each in decision.strip("/").split("/")):
            self._report((*path, "path"), f"expected a path of names, such as {DECISION}")
        return decision.strip("/")


def _is_path(text: str) -> bool:
    return all(_SEGMENT.fullmatch(each) for each in text.split("/"))
