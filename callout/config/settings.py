"""How a process runs: read once at start, from a file, the environment and flags, in that order.

What is decided is in the bundle instead; nothing reads the environment later. Paths are relative
to the working directory.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import pydantic

from callout.config.answers import Answers
from callout.config.decision_logs import DecisionLogs
from callout.config.limits_settings import Limits
from callout.config.merge import merge
from callout.config.opa import Opa, OpaServer, OpaServers
from callout.config.peers import Connections, Http2
from callout.config.problems import Problem, Rejected
from callout.config.source import Mark, Origin, Source, Step
from callout.config.statsd import Statsd
from callout.config.validate import SECRET, Block, annotations_at, validate
from callout.config.waf_settings import Waf
from callout.config.xds import Xds
from callout.config.yaml import parse
from callout.redis import servers
from callout.redis.connection import connection
from callout.serve import client_names
from callout.serve.address import parse as parse_address

PREFIX: Final = "GATEWRIGHT_"
"""Of environment variables; `__` goes one level down: `GATEWRIGHT_LISTEN__GRPC`."""

FLAGS: Final[Mapping[str, tuple[str, ...]]] = {
    "bundle": ("bundle",),
    "grpc": ("listen", "grpc"),
    "admin": ("listen", "admin"),
    "faces": ("faces",),
    "workers": ("workers",),
    "transport": ("transport",),
    "redis": ("redis",),
    "opa": ("opa",),
    "log": ("telemetry", "log"),
    "level": ("telemetry", "level"),
    "decisions": ("telemetry", "decisions"),
}
"""The command line's flags, and the setting that each is."""

_SERVICE_LINK: Final = re.compile(
    r"_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$"
)
"""Kubernetes gives every container the addresses of the namespace's Services in variables named
after them: `GATEWRIGHT_SERVICE_HOST`, and `GATEWRIGHT_PORT=tcp://...`, if ours is `gatewright`."""


def _address(text: str) -> str:
    parse_address(text)
    return text


def _url(text: str, schemes: tuple[str, ...]) -> str:
    """Without echoing it: there may be a password in it."""
    try:
        parts = urlsplit(text)
        complete = bool(parts.path if parts.scheme == "unix" else parts.hostname)
        _ = parts.port
    except ValueError:
        message = "expected a URL (/?#@ of a password escaped: %23), found a text that is none"
        raise ValueError(message) from None
    if parts.scheme not in schemes or not complete:
        known = ", ".join(f"{each}://" for each in schemes)
        raise ValueError(f"expected a URL with a host that begins with one of {known}")
    return text


def _redis(text: str) -> str:
    if servers.read(text) is None:
        _url(text, ("redis", "rediss", "unix"))
    try:
        connection(text)
    except ValueError:
        raise ValueError("expected a URL with options that redis-py knows") from None
    return text


def _client_name(text: str) -> str:
    if wrong := client_names.mistake(text):
        raise ValueError(f"expected a SPIFFE id or a DNS name, found {wrong}")
    return text


def _version(value: object) -> object:
    """YAML reads 1.3 as a number."""
    return str(value) if isinstance(value, float) else value


Address = Annotated[str, pydantic.AfterValidator(_address)]
HttpAddress = Literal["off"] | Address
ClientName = Annotated[str, pydantic.AfterValidator(_client_name)]
FaceName = Literal["authz", "limit", "process"]


class Listen(Block):
    """Where the process listens: `host:port` or `unix:/path`."""

    grpc: Address = "127.0.0.1:9000"
    """What Envoy calls. Loopback until told otherwise: without TLS, whoever reaches it can ask
    for decisions and use up limits."""
    spread: Literal["kernel", "addresses"] = "kernel"
    """How connections come to workers. `kernel`: one address; each connection goes to one of
    them, at random. `addresses`: each worker has its own, ports that follow each other or paths
    with `.0`, `.1` at the end, and Envoy balances requests over them."""
    admin: Address = "127.0.0.1:9001"
    """Metrics, health, the effective configuration; read-only, without authentication except for
    `/debug/`."""
    http: HttpAddress | None = None
    """Where limits are asked for by `POST /json`, as envoyproxy/ratelimit's users do; plain HTTP
    without authentication, as there. None: nowhere, but with `--er-config` at its port. `off`:
    nowhere."""

    process: Address = "127.0.0.1:9002"
    """What Envoy's external processing calls, with the face `process`: it has workers of its own,
    so that rules never delay a decision."""

    @property
    def http_address(self) -> str | None:
        """Where the HTTP port is; None: there is none."""
        return None if self.http == "off" else self.http


class Tls(Block):
    """TLS of the gRPC listener; PEM files, read again when they change."""

    cert: str
    """Our certificate, with its chain."""
    key: str
    """Its private key, not encrypted."""
    client_ca: str | None = None
    """Authorities of client certificates. None: no client is asked for one."""
    client: Literal["required", "optional"] | None = None
    """Whether a client may come without a certificate. None: it must have one if there is a
    client_ca."""
    client_san: tuple[ClientName, ...] = ()
    """Names of which a client's certificate must have one: an authority usually certifies more
    than our gateways. Without a certificate a client has none of them. Empty: any."""
    min_version: Annotated[Literal["1.2", "1.3"], pydantic.BeforeValidator(_version)] = "1.2"
    """The oldest TLS that is spoken. 1.2: the newest that Envoy speaks to upstreams unless its
    `tls_maximum_protocol_version` says more."""

    @pydantic.model_validator(mode="after")
    def _clients_are_verified(self) -> "Tls":
        if self.client_ca is None:
            if self.client_san:
                raise ValueError(
                    "expected client_ca beside client_san: unverified names say nothing"
                )
            if self.client is not None:
                raise ValueError("expected client_ca beside client: nobody could be verified")
        return self


class DecisionRule(Block):
    """Decisions that are alike, and how many of them are a line; what is left out fits any."""

    face: FaceName | None = None
    """Of this face."""
    policy: str | None = None
    """By this policy, or rate limit domain."""
    verdict: Literal["allow", "deny", "error"] | None = None
    """With this verdict; `error` is our own failure, whatever the caller was told."""
    reason: str | None = None
    """For this reason, as metrics name it: `over_limit`."""
    slower: Annotated[float, pydantic.Field(ge=0, le=3600)] = 0.0
    """Seconds: those that took at least so long."""
    sample: Annotated[float, pydantic.Field(ge=0, le=1)] = 1.0
    """The share of them that is a line, chosen at random."""


def _collector(text: str) -> str:
    parts = urlsplit(_url(text, ("http", "https")))
    if parts.query or parts.fragment or parts.username:
        raise ValueError("expected scheme, host, port, and for OTLP over HTTP a path; nothing else")
    return text


class Traces(Block):
    """Which requests are traced, when `telemetry.otlp` says where to."""

    sample: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.01
    """Share of the requests without a trace context that begin a trace. A caller's own choice is
    followed instead, up to `asked`."""
    asked: Annotated[float, pydantic.Field(ge=0, le=100_000)] = 100.0
    """Traces a second, in each worker, that callers can ask for by the flag `sampled` of
    `traceparent`. A client can set it on every request, and each trace costs three times the
    decision; what is beyond counts as without a context."""
    queue: Annotated[int, pydantic.Field(ge=256, le=1_000_000)] = 4096
    """Spans that wait in a worker for a collector that is slow or away, at about a kilobyte each;
    more are dropped and counted."""


class Telemetry(Block):
    """What the process says of itself."""

    log: Literal["json", "text"] = "json"
    """`json`: one object a line, for collectors. `text`: for a terminal."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe that is logged."""
    decisions: Literal["off", "denied", "all"] | tuple[DecisionRule, ...] = "off"
    """Which decisions are a line each; of rules, the first that fits decides. Off: lines are
    request data, and cost as much as half a decision; metrics count all of them in any case."""
    otlp: Annotated[str, pydantic.AfterValidator(_collector)] | None = None
    """Where traces are sent: `http://127.0.0.1:4317` for OTLP over gRPC, and with a path
    (`http://127.0.0.1:4318/v1/traces`) over HTTP; `https` likewise. None: nothing is traced, and
    no request pays for it."""
    traces: Traces = Traces()
    statsd: Statsd | None = None
    """Where statistics of rate limit rules are sent, under envoyproxy/ratelimit's names. None:
    nowhere, and no request pays for them."""


class Overload(Block):
    """What becomes of requests when more come than the process can answer in time."""

    target: Annotated[float, pydantic.Field(ge=0, le=10)] = 0.005
    """Seconds that requests may always wait to be read, however short their callers' patience; a
    quarter of it (their `grpc-timeout`) if that is more. In an overload the process answers for a
    little longer, and then refuses at once, as said below, until nothing waits. 0: nothing is
    refused."""
    interval: Annotated[float, pydantic.Field(ge=0.001, le=60)] = 0.1
    """Seconds of work during which all requests must have waited for longer than that until it
    counts as an overload: a burst that is worked off within this time is answered whole. At most
    so long may all have waited; who says nothing of its patience has this. Who may have waited
    longer than its own deadline is refused in any case."""
    authz: Literal["deny", "allow"] = "deny"
    """The verdict on requests that are refused so: 503, or let pass without having been judged."""
    limit: Literal["deny", "allow", "error"] = "deny"
    """The same for rate limits. `error` is a gRPC error, on which Envoy lets requests pass unless
    its `failure_mode_deny` says otherwise."""


class Admin(Block):
    """Who may see what on the admin port."""

    token_file: str | None = None
    """A file with the bearer token that `/debug/` asks for; read at each request, so it can be
    replaced. None: `/debug/` is for this machine only."""


class Settings(Block):
    """All settings of a process; frozen."""

    bundle: str = "./bundle"
    """The directory of what is decided; the only part that reloads."""
    listen: Listen = Listen()
    faces: Annotated[tuple[FaceName, ...], pydantic.Field(min_length=1)] = ("authz", "limit")
    """What this process answers. `process` has workers of its own, as many as the others together,
    and loads rules: only where policies `inspect`."""
    workers: Literal["auto"] | Annotated[int, pydantic.Field(ge=1, le=256)] = "auto"
    """Processes, and as many again for `process`. `auto`: one a core. Without Redis they share
    their counters, in memory."""
    transport: Literal["own", "grpcio"] = "own"
    """`own`: this project's HTTP/2, about ten times cheaper a call. `grpcio`: the second way."""
    tls: Tls | None = None
    """None: plain HTTP/2, for loopback, Unix sockets and meshes that encrypt by themselves."""
    redis: Annotated[str, SECRET, pydantic.AfterValidator(_redis)] | None = pydantic.Field(
        None, repr=False
    )
    """`redis://`, `rediss://` or `unix://`: where counters are; `redis+sentinel://` with the name
    of a master and `redis+cluster://` with some nodes name several servers, and `rediss+` has TLS.
    None: in memory."""
    redis_per_second: Annotated[str, SECRET, pydantic.AfterValidator(_redis)] | None = (
        pydantic.Field(None, repr=False)
    )
    """Another Redis, for limits of operators' domains with windows of a second: these have most of
    the writes, and nothing that is worth keeping. None: the same."""
    opa: OpaServer | OpaServers | Opa | None = pydantic.Field(None, repr=False)
    """The OPA server of policies that say `decide: {opa: ...}`: `http://127.0.0.1:8181`; a list of
    several; or a mapping that also has what they are shown."""
    telemetry: Telemetry = Telemetry()
    decision_logs: DecisionLogs | None = None
    """Decision logs in OPA's event format. None: there are none, and no request pays for them."""
    waf: Waf = Waf()
    answers: Answers = Answers()
    limits: Limits = Limits()
    xds: Xds | None = None
    """A management server whose rate limit domains are added to those of the bundle. None: the
    bundle has all."""
    admin: Admin = Admin()
    overload: Overload = Overload()
    connections: Connections = Connections()
    http2: Http2 = Http2()
    reflection: bool = False
    """Whether gRPC server reflection is answered: for people with grpcurl."""
    drain: Annotated[float, pydantic.Field(ge=0, le=3600)] = 15.0
    """Seconds that requests in flight have to end after SIGTERM: half of what Kubernetes waits
    before it kills."""
    frozen: Annotated[float, pydantic.Field(ge=0, le=3600)] = 5.0
    """Seconds without a sign of life after which a worker is killed and replaced: its event loop
    stands still, and what was sent to it waits. No load of 10,000 policies keeps one for a tenth
    of that. 0: never."""
    max_message: Annotated[int, pydantic.Field(ge=4096, le=256 << 20)] = 4 << 20
    """Bytes of one request message: gRPC's own default. A body that Envoy sends along must fit."""

    @property
    def counts_in_memory(self) -> bool:
        """Whether several workers need memory that they share."""
        return self.redis is None and "limit" in self.faces

    @property
    def shares_port(self) -> bool:
        """Whether several workers listen on the same ports."""
        return self.workers != 1

    def worker_count(self, processors: int) -> int:
        """How many processes to run on a machine with so many processors."""
        return self.workers if self.workers != "auto" else max(1, processors)


def load(
    file: bytes | None,
    environ: Mapping[str, str],
    flags: Mapping[str, object],
    name: str = "gatewright.yaml",
) -> Settings | Rejected:
    """Reads settings; each source wins over those before it. Pure.

    Args:
        file: the YAML file's content; None if there is none.
        environ: the whole environment; only variables with our prefix are looked at. An empty
            one takes a setting back to its default.
        flags: by name (`FLAGS`); None: not given. Text is read as in a variable.
        name: of the file, for its problems.

    Returns:
        All problems, each naming its line, its variable or its flag.
    """
    sources = [Source({}, Origin(Mark(name, 0, 0)))]
    if file is not None:
        documents = parse(name, file)
        if isinstance(documents, Rejected):
            return documents
        for each in documents[:1]:
            if not isinstance(each.value, dict):
                return Rejected((each.problem((), "expected a mapping of settings"),))
            sources.append(each)
        if len(documents) > 1:
            return Rejected((documents[1].problem((), "expected one document, found another"),))
    for variable, text in sorted(environ.items()):
        if variable.startswith(PREFIX) and not _is_service_link(variable, text):
            path = tuple(variable.removeprefix(PREFIX).lower().split("__"))
            sources.append(_single(path, text, variable))
    for flag, value in flags.items():
        if value is not None:
            sources.append(_single(FLAGS[flag], value, f"--{flag}"))
    merged = merge(sources)
    settings = validate(Settings, merged)
    if isinstance(settings, Rejected):
        return settings
    problems = _contradictions(settings, merged)
    return Rejected(tuple(problems)) if problems else settings


def _contradictions(settings: Settings, source: Source) -> list[Problem]:
    problems: list[Problem] = []
    statsd, prometheus = settings.telemetry.statsd, settings.limits.prometheus
    if statsd is not None and prometheus is not None:
        expected = statsd.near_limit_ratio
        if prometheus.near_limit_ratio != expected:
            message = f"expected {expected}, as in telemetry.statsd: hits are counted once"
            where = ("limits", "prometheus", "near_limit_ratio")
            problems.append(source.problem(where, message))
    if prometheus is not None and "limit" not in settings.faces:
        message = "expected the face `limit` beside it"
        problems.append(source.problem(("limits", "prometheus"), message))
    if settings.listen.http_address is not None and "limit" not in settings.faces:
        problems.append(source.problem(("listen", "http"), "expected the face `limit` beside it"))
    if settings.redis_per_second is not None and settings.redis is None:
        message = "expected `redis` beside it, for all other limits"
        problems.append(source.problem(("redis_per_second",), message))
    if settings.limits.needs_redis and settings.counts_in_memory:
        message = "expected `redis` beside it: counters in memory are never away"
        problems.append(source.problem(("limits", "needs_redis"), message))
    if settings.xds is not None and "limit" not in settings.faces:
        problems.append(source.problem(("xds",), "expected the face `limit` beside it"))
    tls = settings.tls
    if settings.transport == "grpcio" and tls is not None:
        # Refused rather than left out: grpcio for Python has no way to say them.
        if tls.client == "optional":
            problems.append(source.problem(("tls", "client"), "expected transport `own` beside it"))
        if tls.min_version != "1.2":
            message = "expected transport `own` beside it"
            problems.append(source.problem(("tls", "min_version"), message))
    if len(set(settings.faces)) != len(settings.faces):
        problems.append(source.problem(("faces",), "expected each face once, found one again"))
    return problems


def _is_service_link(variable: str, text: str) -> bool:
    if _SERVICE_LINK.search(variable):
        return True
    return variable.endswith("_PORT") and text.startswith(("tcp://", "udp://", "sctp://"))


def _single(path: tuple[str, ...], value: object, place: str) -> Source:
    """One setting, as a document that has nothing else."""
    mark = Mark(place, 0, 0)
    whole: Any = _typed(path, value) if isinstance(value, str) else value
    origin = _origin(whole, mark)
    for step in reversed(path):
        whole = {step: whole}
        origin = Origin(mark, {step: mark}, {step: origin})
    return Source(whole, origin)


def _origin(value: Any, mark: Mark) -> Origin:
    """Of a list that a flag gave, or of a single value."""
    items = value if isinstance(value, list) else []
    children: dict[Step, Origin] = {index: Origin(mark) for index, _ in enumerate(items)}
    return Origin(mark, {}, children)


def _typed(path: tuple[str, ...], text: str) -> Any:
    """Text as the setting wants it: a number, `true`, `a,b` for a list, or simply the text."""
    if text == "":
        return None
    wanted = annotations_at(Settings, path)
    if text in {word for each in wanted for word in getattr(each, "__args__", ())}:
        return text
    if tuple in {getattr(each, "__origin__", None) for each in wanted}:
        return [each.strip() for each in text.strip("[]").split(",")]
    if str not in wanted and any(each in (bool, int, float) for each in wanted):
        documents = parse("", text.encode("utf-8", "replace"))
        if isinstance(documents, list) and len(documents) == 1:
            single = documents[0].value
            return single if isinstance(single, bool | int | float) else text
    return text.encode("utf-8", "replace").decode()
