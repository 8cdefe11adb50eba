"""OPA's configuration file as OPA documents it, with opa-envoy-plugin's part; keys are theirs.

Only shapes and types stand here; `config` reads the file, fills in OPA's defaults and says what
is not supported.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from callout.config.validate import SECRET, Block

Seconds: TypeAlias = Annotated[int, Field(ge=1, le=86_400)]
"""OPA counts whole seconds; 0 would ask without end."""
Delay: TypeAlias = Annotated[int, Field(ge=0, le=86_400)]
"""Seconds, of decision logs. OPA has no upper bound; nobody means to lose a day's events."""
Trigger: TypeAlias = Literal["periodic"]
"""OPA also has `manual`, for programs that embed it."""
Algorithm: TypeAlias = Literal[
    "ES256", "ES384", "ES512", "HS256", "HS384", "HS512",
    "PS256", "PS384", "PS512", "RS256", "RS384", "RS512",
]  # fmt: skip


class Bearer(Block):
    """A token in the header `Authorization`; exactly one of `token`, `token_path`."""

    token: Annotated[str, SECRET] | None = Field(default=None, repr=False)
    """The token itself."""
    token_path: str | None = None
    """A file with it, read at each request: it may be replaced."""
    scheme: str = "Bearer"
    """The word before it."""


class ClientTls(Block):
    """Our certificate, where the service asks for one; PEM files, read at each connection."""

    cert: str
    """The certificate, with its chain."""
    private_key: str
    """Its key."""
    private_key_passphrase: Annotated[str, SECRET] | None = Field(default=None, repr=False)
    """What the key is encrypted with; None: it is not."""
    ca_cert: str | None = None
    """OPA's older place of `tls.ca_cert`."""
    system_ca_required: bool = False
    """OPA's older place of `tls.system_ca_required`."""
    cert_reread_interval_seconds: int | None = Field(default=None, ge=0)
    """OPA's; we read the files for each request, which is at least as often."""


class OAuth2(Block):
    """A token of an OAuth2 server, for the client's own secret (RFC 6749, 4.4)."""

    grant_type: Literal["client_credentials"] = "client_credentials"
    """OPA also has `jwt_bearer`."""
    token_url: str = Field(pattern="^https://")
    """Where it is asked for; verified as the service is."""
    client_id: str
    """Who we are."""
    client_secret: Annotated[str, SECRET] = Field(min_length=1, repr=False)
    """What proves it."""
    scopes: tuple[str, ...] = ()
    """What the token should permit."""
    additional_headers: dict[str, Annotated[str, SECRET]] = Field(default={}, repr=False)
    """Sent to the token endpoint."""
    additional_parameters: dict[str, Annotated[str, SECRET]] = Field(default={}, repr=False)
    """Fields of the form that is sent there."""


class EnvironmentCredentials(Block):
    """Keys in `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_SESSION_TOKEN`."""


class S3Signing(Block):
    """Requests signed for AWS."""

    environment_credentials: EnvironmentCredentials
    """OPA also takes keys from elsewhere."""
    service: str = Field(default="s3", pattern="^[a-z0-9-]+$")
    """Of AWS: `s3`, `execute-api`."""
    signature_version: Literal["4"] = "4"
    """OPA also has `4a`."""


class Credentials(Block):
    """How we say who we are; at most one."""

    bearer: Bearer | None = None
    client_tls: ClientTls | None = None
    oauth2: OAuth2 | None = None
    s3_signing: S3Signing | None = None


class ServerTls(Block):
    """How the service is verified."""

    ca_cert: str | None = None
    """Authorities, a PEM file. None: those of the system."""
    system_ca_required: bool = False
    """Those of the system as well."""


class Service(Block):
    """A server that speaks OPA's management APIs."""

    name: str = ""
    """Where `services` is a list."""
    url: str
    """`https://HOST/PREFIX`; APIs are below it."""
    headers: dict[str, Annotated[str, SECRET]] = Field(default={}, repr=False)
    """Sent with each request."""
    allow_insecure_tls: bool = False
    """Whether an https server may be anybody."""
    response_header_timeout_seconds: int = Field(default=10, ge=0, le=86_400)
    """Until the answer must begin; 0: without end. Not for long polls."""
    tls: ServerTls | None = None
    credentials: Credentials = Credentials()
    type: str = ""
    """OPA's `oci` is not supported."""


class Polling(Block):
    """How often a bundle is asked for."""

    min_delay_seconds: Seconds = 60
    """Least time between two requests; each waits for a random time between the two."""
    max_delay_seconds: Seconds = 120
    """Most time between two requests; also what repeated failures wait at most."""
    long_polling_timeout_seconds: Seconds | None = None
    """How long the server may keep a request until there is news. None: no long polling."""
    superseded_etag_ttl_seconds: int = Field(default=0, ge=0, le=86_400)
    """How long ETags of replaced bundles are still sent in If-None-Match; 0: not at all."""


class Signing(Block):
    """Which signature a bundle must have."""

    keyid: str = ""
    """The key; empty: the one that the signature names."""
    scope: str = ""
    """What the signature's `scope` must be; empty: what the key says."""
    exclude_files: tuple[str, ...] = ()
    """Patterns of files that are not verified."""
    allow_unsigned_delta_bundles: bool = False
    """Whether deltas, which cannot be signed, are taken all the same."""


class BundleSource(Block):
    """One bundle."""

    service: str = ""
    """Empty: the first."""
    resource: str = ""
    """Below the service's URL, or `file:///PATH`. Empty: `bundles/NAME`."""
    polling: Polling = Polling()
    signing: Signing | None = None
    """None: a signature is not required, and verified if there are `keys`."""
    persist: bool = False
    """Whether it is kept on disk, to start from when the service is away."""
    size_limit_bytes: int = Field(default=1 << 30, ge=1, le=1 << 30)
    """Of any one file in it, unpacked; and of all files together, which OPA does not limit. The
    default is OPA's."""
    trigger: Trigger = "periodic"


class Key(Block):
    """What signatures are verified with."""

    key: Annotated[str, SECRET] | None = Field(default=None, repr=False)
    """PEM, or for HMAC the secret."""
    private_key: Annotated[str, SECRET] | None = Field(default=None, repr=False)
    """OPA signs with it; we never do."""
    algorithm: Algorithm = "RS256"
    scope: str = ""
    """What the signature's `scope` must be, unless `signing` says so."""


class Reporting(Block):
    """How decision events are buffered and sent."""

    buffer_size_limit_bytes: int | None = Field(default=None, ge=1)
    """Of what waits. None: the bound of our own settings; OPA has none."""
    upload_size_limit_bytes: int = 32_768
    """Of one request, compressed; brought within OPA's bounds, as OPA does."""
    min_delay_seconds: Delay = 300
    """Least time between two requests."""
    max_delay_seconds: Delay = 600
    """Most time between two requests."""
    max_decisions_per_second: float | None = Field(default=None, ge=0.001, le=1_000_000)
    """Events a second that are sent to the service; None: all."""
    trigger: Literal["periodic", "immediate"] = "periodic"
    """Both: a batch is sent when it is full, and within the delays. Nobody could trigger us."""


class DecisionLogs(Block):
    """Where decision events go."""

    service: str = ""
    """Empty: the first, unless `console` is on."""
    partition_name: str = ""
    """Appended to the path."""
    resource: str = ""
    """The path below the service's URL. Empty: `/logs`, or `/logs/PARTITION`."""
    mask_decision: str = "/system/log/mask"
    """The rule that says what is masked; only this one is supported."""
    drop_decision: str = "/system/log/drop"
    """The rule that says whether an event is dropped; only this one is supported."""
    reporting: Reporting = Reporting()
    console: bool = False
    """Whether events are also lines on standard output."""


class Status(Block):
    """Where status reports go."""

    service: str = ""
    """Empty: the first, unless `console` or `prometheus` is on."""
    partition_name: str = ""
    """Appended to the path."""
    console: bool = False
    """Whether reports are also lines of the log."""
    prometheus: bool = False
    """Our metrics of bundles are always on."""
    trigger: Trigger = "periodic"


class EnvoyPlugin(Block):
    """opa-envoy-plugin's own part: `plugins.envoy_ext_authz_grpc`."""

    addr: str = ":9191"
    """`HOST:PORT`, `:PORT` for every address, or `unix:///PATH`."""
    path: str | None = None
    """The decision, `a/b/c`. None: `envoy/authz/allow`."""
    query: str | None = None
    """The same as OPA writes it, `data.a.b.c`: the plugin's older word."""
    dry_run: bool = Field(default=False, alias="dry-run")
    """Whether every request is let pass, whatever is decided."""
    skip_request_body_parse: bool = Field(default=False, alias="skip-request-body-parse")
    """Whether bodies are left as they come."""
    proto_descriptor: str = Field(default="", alias="proto-descriptor")
    """A file with a descriptor set, for bodies of gRPC requests."""
    enable_reflection: bool = Field(default=False, alias="enable-reflection")
    """Whether gRPC server reflection is answered."""
    grpc_max_recv_msg_size: int = Field(
        default=4 << 20, ge=4096, le=256 << 20, alias="grpc-max-recv-msg-size"
    )
    """Bytes of one request message."""
    grpc_max_send_msg_size: int | None = Field(default=None, ge=1, alias="grpc-max-send-msg-size")
    """Bytes of one answer; without effect."""
    enable_performance_metrics: bool = Field(default=False, alias="enable-performance-metrics")
    """Our metrics of decisions are always on."""


class Plugins(Block):
    """What OPA's plugins are told; this program is the one that we replace."""

    envoy_ext_authz_grpc: EnvoyPlugin = EnvoyPlugin()


@dataclass(frozen=True)
class OpaConfig:
    """A whole configuration, with OPA's defaults; every service that is named exists."""

    envoy: EnvoyPlugin
    decision: str
    """The decision as a path: `envoy/authz/allow`."""
    services: Mapping[str, Service]
    bundles: Mapping[str, BundleSource]
    keys: Mapping[str, Key]
    labels: Mapping[str, str]
    """As written; reports add `id` and `version`."""
    decision_logs: DecisionLogs | None
    """None: none are kept. `service` is "" only where no service is meant, `resource` is set."""
    status: Status | None
    """None: none are sent. `service` as above."""
    persistence: str
    """The directory in which bundles are kept."""
