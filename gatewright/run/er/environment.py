"""The environment of envoyproxy/ratelimit, as settings of ours. Pure.

`VARIABLES` has every variable that its src/settings/settings.go reads: each becomes a setting, or
is refused, or is warned about because it cannot change a decision here. Those that it reads only
beside a switch (`BACKEND_TYPE=memcache`) are looked at when the switch is on, as there.
"""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from callout.config.problems import Problem, Rejected
from callout.config.settings import PREFIX
from gatewright.run.er_redis import redis_url

Kind: TypeAlias = Literal["text", "bool", "int", "number", "duration"]
Use: TypeAlias = Literal["used", "refused", "idle", "beside"]
Value: TypeAlias = str | bool | int | float


class Variable(NamedTuple):
    """One variable of envoyproxy/ratelimit."""

    name: str
    kind: Kind
    """How it is read there (github.com/kelseyhightower/envconfig)."""
    use: Use
    """`used`: it is a setting here. `refused`: what it asks for is not there. `idle`: it has no
    effect on decisions, and is warned about. `beside`: it says more of what another switches on."""
    what: str
    """The setting that it is; why it is refused or idle; the variable that it stands beside."""
    same: tuple[Value, ...] = ()
    """Values, texts in lower case, that ask for what is so in any case: nothing is said."""


_OFF: Final = (False,)

VARIABLES: Final = (
    Variable("GRPC_HOST", "text", "used", "listen.grpc"),
    Variable("GRPC_PORT", "int", "used", "listen.grpc"),
    Variable("GRPC_UDS", "text", "used", "listen.grpc"),
    Variable("DEBUG_HOST", "text", "used", "listen.admin"),
    Variable("DEBUG_PORT", "int", "used", "listen.admin"),
    Variable("HOST", "text", "used", "listen.http"),
    Variable("PORT", "int", "used", "listen.http"),
    Variable("GRPC_MAX_CONNECTION_AGE", "duration", "used", "connections.max_age"),
    Variable("GRPC_MAX_CONNECTION_AGE_GRACE", "duration", "used", "connections.max_age_grace"),
    Variable("GRPC_MAX_CONCURRENT_STREAMS", "int", "used", "http2.max_streams", (0,)),
    Variable("MAX_CONCURRENT_REQUESTS", "int", "used", "connections.max_calls", (0,)),
    Variable("REQUEST_TIMEOUT", "duration", "used", "limits.redis_wait", (0.0,)),
    Variable("GRPC_SERVER_USE_TLS", "bool", "used", "tls"),
    Variable("GRPC_SERVER_TLS_CERT", "text", "used", "tls.cert"),
    Variable("GRPC_SERVER_TLS_KEY", "text", "used", "tls.key"),
    Variable("GRPC_CLIENT_TLS_CACERT", "text", "used", "tls.client_ca"),
    Variable("GRPC_CLIENT_TLS_SAN", "text", "used", "tls.client_san"),
    Variable("LOG_LEVEL", "text", "used", "telemetry.level"),
    Variable("LOG_FORMAT", "text", "used", "telemetry.log"),
    # --- where rules come from ---
    Variable("CONFIG_TYPE", "text", "used", "the folder, or `xds`", ("file",)),
    Variable(
        "FORCE_START_WITHOUT_INITIAL_CONFIG",
        "bool",
        "idle",
        "it starts in any case, and answers errors until there are good files",
        (True,),
    ),
    Variable("RUNTIME_ROOT", "text", "used", "the folder"),
    Variable("RUNTIME_SUBDIRECTORY", "text", "used", "the folder"),
    Variable("RUNTIME_APPDIRECTORY", "text", "used", "the folder"),
    Variable(
        "RUNTIME_IGNOREDOTFILES",
        "bool",
        "idle",
        "names that begin with a dot are left out in any case, so that each file of a ConfigMap "
        "is read once",
        (True,),
    ),
    Variable(
        "RUNTIME_WATCH_ROOT",
        "bool",
        "idle",
        "both are followed: a link that is turned, and files that change",
    ),
    Variable("MERGE_DOMAIN_CONFIG", "bool", "used", "limits.merge_domains"),
    Variable("DESCRIPTOR_KEY_CONFIG", "text", "refused", "keys are as descriptors have them"),
    Variable("CONFIG_GRPC_XDS_NODE_ID", "text", "used", "xds.node_id"),
    Variable("CONFIG_GRPC_XDS_NODE_METADATA", "text", "used", "xds.node_metadata"),
    Variable("CONFIG_GRPC_XDS_SERVER_URL", "text", "used", "xds.server"),
    Variable(
        "CONFIG_GRPC_XDS_SERVER_CONNECT_RETRY_INTERVAL", "duration", "used", "xds.backoff_initial"
    ),
    Variable("CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS", "text", "used", "xds.headers"),
    Variable("CONFIG_GRPC_XDS_SERVER_USE_TLS", "bool", "used", "xds.tls"),
    Variable("CONFIG_GRPC_XDS_CLIENT_TLS_CERT", "text", "used", "xds.tls.cert"),
    Variable("CONFIG_GRPC_XDS_CLIENT_TLS_KEY", "text", "used", "xds.tls.key"),
    Variable("CONFIG_GRPC_XDS_SERVER_TLS_CACERT", "text", "used", "xds.tls.ca"),
    Variable("CONFIG_GRPC_XDS_SERVER_TLS_SAN", "text", "used", "xds.tls.server_name"),
    Variable("XDS_CLIENT_BACKOFF_INITIAL_INTERVAL", "duration", "used", "xds.backoff_initial"),
    Variable("XDS_CLIENT_BACKOFF_MAX_INTERVAL", "duration", "used", "xds.backoff_max"),
    Variable("XDS_CLIENT_BACKOFF_RANDOM_FACTOR", "number", "used", "xds.backoff_jitter"),
    Variable("XDS_CLIENT_BACKOFF_JITTER", "bool", "used", "xds.backoff_jitter"),
    Variable("XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES", "int", "used", "xds.max_message"),
    # --- how is counted and answered ---
    Variable("SHADOW_MODE", "bool", "used", "limits.shadow", _OFF),
    Variable("QUOTA_MODE", "bool", "used", "limits.quota", _OFF),
    Variable("RESPONSE_DYNAMIC_METADATA", "bool", "used", "answers.rule_metadata", _OFF),
    Variable("LIMIT_RESPONSE_HEADERS_ENABLED", "bool", "used", "answers.headers"),
    Variable("LIMIT_LIMIT_HEADER", "text", "used", "answers.names.limit"),
    Variable("LIMIT_REMAINING_HEADER", "text", "used", "answers.names.remaining"),
    Variable("LIMIT_RESET_HEADER", "text", "used", "answers.names.reset"),
    Variable("LIMIT_REQUEST_HEADERS_ENABLED", "bool", "used", "answers.upstream", _OFF),
    Variable("LIMIT_REQUEST_LIMIT_HEADER", "text", "used", "answers.upstream_names.limit"),
    Variable("LIMIT_REQUEST_REMAINING_HEADER", "text", "used", "answers.upstream_names.remaining"),
    Variable("LIMIT_REQUEST_RESET_HEADER", "text", "used", "answers.upstream_names.reset"),
    # These two are of proposed changes: envoyproxy/ratelimit#1190 and #1230.
    Variable(
        "LIMIT_ALL_DESCRIPTORS_HEADERS_ENABLED",
        "bool",
        "refused",
        "headers tell of one limit",
        _OFF,
    ),
    Variable("ENABLE_NEGATIVE_HITS", "bool", "idle", "hits are given back in any case", (True,)),
    Variable("USE_CALENDAR_MONTH_RATE_LIMIT", "bool", "used", "limits.calendar_month", _OFF),
    Variable(
        "STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT", "bool", "used", "limits.stop_when_over", _OFF
    ),
    Variable("CACHE_KEY_PREFIX", "text", "used", "limits.key_prefix"),
    Variable("EXPIRATION_JITTER_MAX_SECONDS", "int", "used", "limits.expiry_jitter"),
    Variable("LOCAL_CACHE_SIZE_IN_BYTES", "int", "used", "limits.deny_cache"),
    Variable(
        "HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED", "bool", "used", "limits.needs_domain", _OFF
    ),
    # --- counters ---
    Variable(
        "BACKEND_TYPE", "text", "refused", "counters are in Redis: expected redis", ("redis",)
    ),
    Variable("REDIS_SOCKET_TYPE", "text", "used", "redis"),
    Variable("REDIS_URL", "text", "used", "redis"),
    Variable("REDIS_AUTH", "text", "used", "redis"),
    Variable("REDIS_TLS", "bool", "used", "redis"),
    Variable("REDIS_TLS_CLIENT_CERT", "text", "used", "redis"),
    Variable("REDIS_TLS_CLIENT_KEY", "text", "used", "redis"),
    Variable("REDIS_TLS_CACERT", "text", "used", "redis"),
    Variable("REDIS_TLS_SKIP_HOSTNAME_VERIFICATION", "bool", "used", "redis"),
    Variable("REDIS_TYPE", "text", "used", "redis"),
    Variable("REDIS_SENTINEL_AUTH", "text", "used", "redis"),
    Variable("REDIS_AUTH_FILE", "text", "used", "redis"),
    Variable("REDIS_AWS_IAM_AUTH", "bool", "refused", "the password is in REDIS_AUTH", _OFF),
    *(
        Variable(f"REDIS_AWS_IAM_{name}", "text", "beside", "REDIS_AWS_IAM_AUTH")
        for name in ("CACHE_NAME", "USER_ID", "SERVERLESS", "REGION")
    ),
    Variable("REDIS_PERSECOND", "bool", "used", "redis_per_second", _OFF),
    *(
        Variable(f"REDIS_PERSECOND_{name}", "text", "used", "redis_per_second")
        for name in ("SOCKET_TYPE", "TYPE", "URL", "AUTH", "AUTH_FILE")
    ),
    Variable("REDIS_PERSECOND_TLS", "bool", "used", "redis_per_second"),
    Variable("REDIS_PERSECOND_SENTINEL_AUTH", "text", "used", "redis_per_second"),
    Variable(
        "REDIS_PERSECOND_AWS_IAM_AUTH",
        "bool",
        "refused",
        "the password is in REDIS_PERSECOND_AUTH",
        _OFF,
    ),
    *(
        Variable(
            f"REDIS_PERSECOND_AWS_IAM_{name}", "text", "beside", "REDIS_PERSECOND_AWS_IAM_AUTH"
        )
        for name in ("CACHE_NAME", "USER_ID", "SERVERLESS")
    ),
    *(
        Variable(
            f"REDIS_{prefix}{name}",
            "text",
            "idle",
            "a worker has one connection, and writes once for all requests that have come",
        )
        for prefix in ("", "PERSECOND_")
        for name in (
            "POOL_SIZE",
            "POOL_ON_EMPTY_BEHAVIOR",
            "PIPELINE_WINDOW",
            "PIPELINE_LIMIT",
            "USE_EXPLICIT_PIPELINE",
            "CLUSTER_PIPELINE_PARALLELISM",
        )
    ),
    *(
        Variable(
            f"REDIS_{name}",
            "text",
            "idle",
            "a request waits until its caller's deadline, and connecting is tried again until "
            "it succeeds",
        )
        for name in (
            "TIMEOUT",
            "PERSECOND_TIMEOUT",
            "STARTUP_INITIAL_INTERVAL",
            "STARTUP_MAX_INTERVAL",
            "STARTUP_MAX_ELAPSED_TIME",
            "CLOSE_CONNECTION_ON_READONLY_ERROR",
        )
    ),
    Variable("REDIS_HEALTH_CHECK_ACTIVE_CONNECTION", "bool", "used", "limits.needs_redis", _OFF),
    *(
        Variable(f"MEMCACHE_{name}", "text", "beside", "BACKEND_TYPE")
        for name in (
            "HOST_PORT",
            "MAX_IDLE_CONNS",
            "SRV",
            "SRV_REFRESH",
            "TLS",
            "TLS_CLIENT_CERT",
            "TLS_CLIENT_KEY",
            "TLS_CACERT",
            "TLS_SKIP_HOSTNAME_VERIFICATION",
        )
    ),
    # --- what is told ---
    Variable("USE_STATSD", "bool", "used", "telemetry.statsd"),
    Variable("USE_DOG_STATSD", "bool", "used", "telemetry.statsd.style"),
    Variable("STATSD_HOST", "text", "used", "telemetry.statsd.address"),
    Variable("STATSD_PORT", "int", "used", "telemetry.statsd.address"),
    Variable("STATS_FLUSH_INTERVAL", "duration", "used", "telemetry.statsd.every"),
    Variable("EXTRA_TAGS", "text", "used", "telemetry.statsd.tags"),
    Variable("NEAR_LIMIT_RATIO", "number", "used", "telemetry.statsd.near_limit_ratio"),
    Variable("DISABLE_STATS", "bool", "used", "telemetry.statsd"),
    Variable("USE_DOG_STATSD_MOGRIFIERS", "text", "refused", "names are sent as they are"),
    Variable(
        "SANITIZE_DESCRIPTOR_METRIC_DOTS", "bool", "refused", "dots of values stay in names", _OFF
    ),
    Variable("USE_PROMETHEUS", "bool", "used", "limits.prometheus"),
    Variable("PROMETHEUS_ADDR", "text", "used", "limits.prometheus.address"),
    Variable("PROMETHEUS_PATH", "text", "used", "limits.prometheus.path"),
    Variable(
        "PROMETHEUS_MAPPER_YAML", "text", "idle", "names are those of that service's own mapping"
    ),
    Variable(
        "PROMETHEUS_RESPONSE_TIME_AS_MILLISECONDS", "bool", "refused", "times are seconds", _OFF
    ),
    Variable("TRACING_ENABLED", "bool", "refused", "set GATEWRIGHT_TELEMETRY__OTLP instead", _OFF),
    *(
        Variable(f"TRACING_{name}", "text", "beside", "TRACING_ENABLED")
        for name in (
            "SERVICE_NAME",
            "SERVICE_NAMESPACE",
            "SERVICE_INSTANCE_ID",
            "EXPORTER_PROTOCOL",
            "SAMPLING_RATE",
        )
    ),
)
"""In the order of the documentation."""

GRPC: Final = ("0.0.0.0", 8081)  # noqa: S104 - where envoyproxy/ratelimit listens
HTTP: Final = ("0.0.0.0", 8080)  # noqa: S104 - as there
PROMETHEUS: Final = ("0.0.0.0", 9090)  # noqa: S104 - as there
DEBUG: Final = ("127.0.0.1", 6070)
"""The port of envoyproxy/ratelimit; it listens there on every address, without authentication."""

LONGEST_WAIT: Final = 1.0
"""Seconds: the most of `limits.redis_wait`."""
XDS_SERVER: Final = "localhost:18000"
XDS_BACKOFF_MAX: Final = 60.0
"""Seconds, beside a first that is written."""

_LEVELS: Final = {
    **dict.fromkeys(("panic", "fatal", "error"), "error"),
    **dict.fromkeys(("warn", "warning"), "warning"),
    "info": "info",
    **dict.fromkeys(("debug", "trace"), "debug"),
}
"""Those of github.com/sirupsen/logrus in ours."""


@dataclass(frozen=True)
class ErEnvironment:
    """What the environment says, in our words."""

    variables: Mapping[str, str]
    """Variables of ours: `GATEWRIGHT_REDIS`."""
    names: Mapping[str, str]
    """By each of them, the variable of envoyproxy/ratelimit that it was made of."""
    folder: str | None
    """Where its files are; None: a management server has them."""
    warnings: tuple[Problem, ...]

    def renamed(self, rejected: Rejected) -> Rejected:
        """Problems with our variables as problems with those that were written."""
        return Rejected(
            tuple(
                dataclasses.replace(each, file=self.names.get(each.file, each.file))
                for each in rejected.problems
            )
        )


def read(environ: Mapping[str, str]) -> ErEnvironment | Rejected:
    """Reads all that is set; empty is as not set.

    Returns:
        Everything that is wrong, each problem naming its variable and never showing its value.
    """
    values: dict[str, Value] = {}
    problems: list[Problem] = []
    warnings: list[Problem] = []
    for variable in VARIABLES:
        name, text = variable.name, environ.get(variable.name, "")
        if not text or variable.use == "beside":
            continue
        value = _parsed(variable.kind, text)
        if value is None:
            problems.append(_problem(name, f"expected {_EXPECTED[variable.kind]}"))
        elif (value.lower() if isinstance(value, str) else value) in variable.same:
            continue
        elif variable.use == "refused":
            problems.append(_problem(name, f"not supported: {variable.what}"))
        elif variable.use == "idle":
            message = f"has no effect: {variable.what}"
            warnings.append(Problem(name, 0, 0, "", message, severity="warning"))
        else:
            values[name] = value
    ours = _Ours(values)
    problems += ours.problems
    if problems:
        return Rejected(tuple(problems))
    folder = None if ours.from_server else _folder(values)
    return ErEnvironment(ours.variables, ours.names, folder, tuple(warnings))


def _folder(values: Mapping[str, Value]) -> str:
    root = str(values.get("RUNTIME_ROOT", "/srv/runtime_data/current")).rstrip("/")
    below = str(values.get("RUNTIME_SUBDIRECTORY", "")).strip("/")
    application = str(values.get("RUNTIME_APPDIRECTORY", "config")).strip("/")
    return "/".join([root, *filter(None, (below, application))])


class _Ours:
    """Makes variables of ours."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.variables: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.problems: list[Problem] = []
        self.from_server = False
        """Whether there is a management server instead of a folder."""
        self._values = values
        self._listen()
        self._tls()
        self._redis()
        self._log()
        self._statsd()
        self._headers()
        self._xds()
        self._counters()
        if "REQUEST_TIMEOUT" in values:
            # What is allowed more waits no longer than it ever does.
            seconds = min(float(values["REQUEST_TIMEOUT"]), LONGEST_WAIT)
            self._set("limits.redis_wait", str(seconds), "REQUEST_TIMEOUT")
        for name, path in (
            ("GRPC_MAX_CONNECTION_AGE", "connections.max_age"),
            ("GRPC_MAX_CONNECTION_AGE_GRACE", "connections.max_age_grace"),
            ("GRPC_MAX_CONCURRENT_STREAMS", "http2.max_streams"),
            ("MAX_CONCURRENT_REQUESTS", "connections.max_calls"),
            ("SHADOW_MODE", "limits.shadow"),
            ("QUOTA_MODE", "limits.quota"),
            ("USE_CALENDAR_MONTH_RATE_LIMIT", "limits.calendar_month"),
            ("STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT", "limits.stop_when_over"),
            ("HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED", "limits.needs_domain"),
            ("REDIS_HEALTH_CHECK_ACTIVE_CONNECTION", "limits.needs_redis"),
            ("RESPONSE_DYNAMIC_METADATA", "answers.rule_metadata"),
            ("LIMIT_REQUEST_HEADERS_ENABLED", "answers.upstream"),
        ):
            if name in values:
                self._set(path, _written(values[name]), name)

    def _text(self, name: str) -> str:
        return str(self._values.get(name, ""))

    def _set(self, path: str, text: str, name: str) -> None:
        variable = PREFIX + path.upper().replace(".", "__")
        self.variables[variable] = text
        self.names[variable] = name

    def _wrong(self, name: str, message: str) -> None:
        self.problems.append(_problem(name, message))

    def _listen(self) -> None:
        values = self._values
        if path := self._text("GRPC_UDS"):
            self._set("listen.grpc", f"unix:{path}", "GRPC_UDS")
        elif not values.keys().isdisjoint(("GRPC_HOST", "GRPC_PORT")):
            name = "GRPC_PORT" if "GRPC_PORT" in values else "GRPC_HOST"
            self._set("listen.grpc", _address(values, "GRPC", GRPC), name)
        if not values.keys().isdisjoint(("HOST", "PORT")):
            host, port = str(values.get("HOST", HTTP[0])), values.get("PORT", HTTP[1])
            name = "PORT" if "PORT" in values else "HOST"
            self._set("listen.http", _host_port(host, port), name)
        if not values.keys().isdisjoint(("DEBUG_HOST", "DEBUG_PORT")):
            name = "DEBUG_PORT" if "DEBUG_PORT" in values else "DEBUG_HOST"
            self._set("listen.admin", _address(values, "DEBUG", DEBUG), name)

    def _tls(self) -> None:
        if not self._values.get("GRPC_SERVER_USE_TLS"):
            return
        for name, path in (
            ("GRPC_SERVER_TLS_CERT", "tls.cert"),
            ("GRPC_SERVER_TLS_KEY", "tls.key"),
        ):
            if text := self._text(name):
                self._set(path, text, name)
            else:
                self._wrong(name, "expected a file beside GRPC_SERVER_USE_TLS, found nothing")
        for name, path in (
            ("GRPC_CLIENT_TLS_CACERT", "tls.client_ca"),
            ("GRPC_CLIENT_TLS_SAN", "tls.client_san"),
        ):
            if text := self._text(name):
                self._set(path, text, name)

    def _redis(self) -> None:
        prefixes = [("REDIS_", "redis")]
        if self._values.get("REDIS_PERSECOND"):
            prefixes.append(("REDIS_PERSECOND_", "redis_per_second"))
            if not self._text("REDIS_PERSECOND_URL"):
                self._wrong("REDIS_PERSECOND_URL", "expected an address beside REDIS_PERSECOND")
        for prefix, path in prefixes:
            url = redis_url(
                prefix, self._text, lambda name: bool(self._values.get(name)), self._wrong
            )
            if url:
                self._set(path, url, f"{prefix}URL")

    def _counters(self) -> None:
        values = self._values
        if "MERGE_DOMAIN_CONFIG" in values:
            text = str(values["MERGE_DOMAIN_CONFIG"]).lower()
            self._set("limits.merge_domains", text, "MERGE_DOMAIN_CONFIG")
        if prefix := self._text("CACHE_KEY_PREFIX"):
            self._set("limits.key_prefix", prefix, "CACHE_KEY_PREFIX")
        if "EXPIRATION_JITTER_MAX_SECONDS" in values:
            most = max(int(values["EXPIRATION_JITTER_MAX_SECONDS"]), 0)
            self._set("limits.expiry_jitter", str(most), "EXPIRATION_JITTER_MAX_SECONDS")
        if int(values.get("LOCAL_CACHE_SIZE_IN_BYTES", 0)) > 0:
            self._set("limits.deny_cache", "true", "LOCAL_CACHE_SIZE_IN_BYTES")

    def _log(self) -> None:
        if text := self._text("LOG_LEVEL"):
            level = _LEVELS.get(text.lower())
            if level is None:
                self._wrong("LOG_LEVEL", f"expected one of {', '.join(_LEVELS)}")
            else:
                self._set("telemetry.level", level, "LOG_LEVEL")
        if text := self._text("LOG_FORMAT"):
            self._set("telemetry.log", "json" if text.lower() == "json" else "text", "LOG_FORMAT")

    def _headers(self) -> None:
        if self._values.get("LIMIT_RESPONSE_HEADERS_ENABLED"):
            self._set("answers.headers", "draft-03", "LIMIT_RESPONSE_HEADERS_ENABLED")
            self._header_names("LIMIT", "answers.names")
        if self._values.get("LIMIT_REQUEST_HEADERS_ENABLED"):
            self._header_names("LIMIT_REQUEST", "answers.upstream_names")

    def _header_names(self, prefix: str, path: str) -> None:
        for which in ("limit", "remaining", "reset"):
            name = f"{prefix}_{which.upper()}_HEADER"
            if text := self._text(name):
                self._set(f"{path}.{which}", text, name)

    def _xds(self) -> None:
        values, kind = self._values, self._text("CONFIG_TYPE")
        if not kind:
            return
        if kind.lower() != "grpc_xds_sotw":
            self._wrong("CONFIG_TYPE", "expected FILE or GRPC_XDS_SOTW")
            return
        self.from_server = True
        server = self._text("CONFIG_GRPC_XDS_SERVER_URL") or XDS_SERVER
        self._set("xds.server", server, "CONFIG_GRPC_XDS_SERVER_URL")
        for name, path in (
            ("CONFIG_GRPC_XDS_NODE_ID", "xds.node_id"),
            ("CONFIG_GRPC_XDS_NODE_METADATA", "xds.node_metadata"),
            ("CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS", "xds.headers"),
            ("XDS_CLIENT_BACKOFF_RANDOM_FACTOR", "xds.backoff_jitter"),
            ("XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES", "xds.max_message"),
        ):
            if name in values:
                self._set(path, _written(values[name]), name)
        if values.get("XDS_CLIENT_BACKOFF_JITTER") is False:
            self._set("xds.backoff_jitter", "0", "XDS_CLIENT_BACKOFF_JITTER")
        self._xds_backoff()
        if values.get("CONFIG_GRPC_XDS_SERVER_USE_TLS"):
            self._xds_tls(server)

    def _xds_backoff(self) -> None:
        """One pace for connecting and for streams, where that service has two."""
        first, most = "XDS_CLIENT_BACKOFF_INITIAL_INTERVAL", "XDS_CLIENT_BACKOFF_MAX_INTERVAL"
        if first not in self._values:
            first = "CONFIG_GRPC_XDS_SERVER_CONNECT_RETRY_INTERVAL"
        if first in self._values:
            self._set("xds.backoff_initial", _written(self._values[first]), first)
            self._set("xds.backoff_max", _written(self._values.get(most, XDS_BACKOFF_MAX)), most)
        elif most in self._values:
            self._set("xds.backoff_max", _written(self._values[most]), most)

    def _xds_tls(self, server: str) -> None:
        for name, path in (
            ("CONFIG_GRPC_XDS_CLIENT_TLS_CERT", "xds.tls.cert"),
            ("CONFIG_GRPC_XDS_CLIENT_TLS_KEY", "xds.tls.key"),
            ("CONFIG_GRPC_XDS_SERVER_TLS_CACERT", "xds.tls.ca"),
        ):
            if text := self._text(name):
                self._set(path, text, name)
        # Always, for without any file it says that there is TLS.
        san = "CONFIG_GRPC_XDS_SERVER_TLS_SAN"
        self._set("xds.tls.server_name", self._text(san) or _host(server), san)

    def _prometheus(self) -> None:
        address = self._text("PROMETHEUS_ADDR") or f":{PROMETHEUS[1]}"
        if address.startswith(":"):
            address = f"{PROMETHEUS[0]}{address}"
        self._set("limits.prometheus.address", address, "PROMETHEUS_ADDR")
        if path := self._text("PROMETHEUS_PATH"):
            self._set("limits.prometheus.path", path, "PROMETHEUS_PATH")
        if "NEAR_LIMIT_RATIO" in self._values:
            ratio = str(self._values["NEAR_LIMIT_RATIO"])
            self._set("limits.prometheus.near_limit_ratio", ratio, "NEAR_LIMIT_RATIO")

    def _statsd(self) -> None:
        """Nothing is sent unless it is said: that service sends to localhost by default."""
        values = self._values
        plain, dog = bool(values.get("USE_STATSD")), bool(values.get("USE_DOG_STATSD"))
        if plain and dog:
            self._wrong("USE_DOG_STATSD", "expected one of it and USE_STATSD")
        if values.get("DISABLE_STATS"):
            return
        if values.get("USE_PROMETHEUS"):
            self._prometheus()
        if not (plain or dog):
            return
        name = "STATSD_PORT" if "STATSD_PORT" in values else "STATSD_HOST"
        address = _address(values, "STATSD", ("localhost", 8125))
        self._set("telemetry.statsd.address", address, name)
        if dog:
            self._set("telemetry.statsd.style", "dogstatsd", "USE_DOG_STATSD")
        for name, path in (
            ("STATS_FLUSH_INTERVAL", "telemetry.statsd.every"),
            ("EXTRA_TAGS", "telemetry.statsd.tags"),
            ("NEAR_LIMIT_RATIO", "telemetry.statsd.near_limit_ratio"),
        ):
            if name in values:
                self._set(path, str(values[name]), name)


def _host(server: str) -> str:
    return server.rpartition(":")[0].strip("[]")


def _written(value: Value) -> str:
    """As a variable of ours has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _address(values: Mapping[str, Value], which: str, default: tuple[str, int]) -> str:
    host = str(values.get(f"{which}_HOST", default[0]))
    return _host_port(host, values.get(f"{which}_PORT", default[1]))


def _host_port(host: str, port: Value) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _problem(name: str, message: str) -> Problem:
    return Problem(name, 0, 0, "", message)


_BOOLS: Final = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
"""As Go's strconv.ParseBool."""
_INT: Final = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{0,18})?")
_DURATION: Final = re.compile(r"(?:[0-9]{1,12}(?:\.[0-9]{0,9})?(?:ns|us|µs|ms|s|m|h))+")
_PART: Final = re.compile(r"([0-9.]+)(ns|us|µs|ms|s|m|h)")
_SECONDS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
"""As Go's time.ParseDuration."""
_EXPECTED: Final[Mapping[Kind, str]] = {
    "text": "a text",
    "bool": "true or false",
    "int": "a whole number",
    "number": "a number",
    "duration": "a duration as Go writes it: `24h`, `1m30s`, `250ms`",
}


def _parsed(kind: Kind, text: str) -> Value | None:
    """The value; None: it is none, and envoyproxy/ratelimit would not start."""
    if kind == "bool":
        return _BOOLS.get(text)
    if kind == "int":
        return int(text) if _INT.fullmatch(text) else None
    if kind == "number":
        return float(text) if _NUMBER.fullmatch(text) else None
    if kind == "duration":
        if text == "0":
            return 0.0
        if not _DURATION.fullmatch(text) or len(text) > 64:
            return None
        return sum(float(count) * _SECONDS[unit] for count, unit in _PART.findall(text))
    return text
