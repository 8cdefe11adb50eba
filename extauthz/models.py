"""The `auth` block of a Policy as it is written: shape and types; `config` checks the rest."""

from typing import Literal

from pydantic import Field

from callout.config.validate import Block
from extauthz.policy.budget import DEFAULT


class Jwks(Block):
    """Where an issuer's public keys are; one of the two."""

    file: str | None = None
    """In the bundle."""
    url: str | None = None
    """`https://idp.example/keys`; fetched when needed, and again every five minutes."""


class Jwt(Block):
    """Tokens of one issuer."""

    issuer: str = Field(min_length=1)
    """`iss`, letter by letter."""
    audience: tuple[str, ...] = Field(min_length=1)
    """One of these must be in `aud`."""
    jwks: Jwks
    algorithms: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Default: all that are neither `none` nor HMAC."""
    leeway: int = Field(default=60, ge=0, le=600)
    """Seconds by which clocks may differ."""


class Anonymous(Block):
    """Nobody; applies only when no credential is present."""


class IdentityEntry(Block):
    """One way to say who is calling: exactly one key."""

    jwt: Jwt | None = None
    anonymous: Anonymous | None = None


class Budget(Block):
    """What one decision may cost."""

    steps: int = Field(default=DEFAULT.steps, ge=1000, le=10**12)
    """About 0.1 us each: rounds of iterations, calls, what builtins read and make."""
    milliseconds: int = Field(default=DEFAULT.milliseconds, ge=1, le=10_000)
    """Of processor time."""


class AllowHttp(Block):
    """What `http.send` may do."""

    hosts: tuple[str, ...] = Field(min_length=1)
    """`idp.example`, or `idp.example:8443` for a port that is not the scheme's own."""
    methods: tuple[str, ...] = Field(default=("GET",), min_length=1)
    """In capitals."""
    timeout: float = Field(default=1, ge=0.05, le=60)
    """Seconds for one call, with redirections and retries."""
    private: bool = False
    """Whether these hosts may be at private addresses, or on this machine."""
    max_body: int = Field(default=1 << 20, ge=1, le=1 << 26, alias="maxBody")
    """Bytes of an answer."""


class Allow(Block):
    """What a policy may do outside of itself."""

    http: AllowHttp | None = None
    """`http.send`."""
    lookup: tuple[str, ...] = ()
    """Names that `net.lookup_ip_addr` may ask for."""
    runtime: dict[str, str] | None = None
    """`opa.runtime` gives this as `config.labels`, as OPA's labels."""


class Rego(Block):
    """Rego in this process."""

    rego: str = Field(min_length=1)
    """Folder of the bundle."""
    entrypoint: str = Field(pattern=r"^[^/\s]+(/[^/\s]+)+$")
    """`package/rule`: `shop/allow`."""
    data: str | None = None
    """JSON file of the bundle: Rego's `data`."""
    budget: Budget = Field(default_factory=Budget)
    """What one decision may cost; beyond it the request is denied."""
    strict: bool = False
    """Whether a builtin's error ends the decision; else its expression is undefined."""
    print: bool = False
    """Whether `print` is written to the log; else it is left out when the Rego is compiled."""
    allow: Allow = Field(default_factory=Allow)
    """What it may do outside of itself; nothing, if not written."""


class Opa(Block):
    """An OPA server."""

    opa: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z0-9_][A-Za-z0-9_-]*)*$")
    """The document's path: `shop/allow`."""


class Body(Block):
    """What policies see of request bodies."""

    parse: bool = True
    """Whether bodies are read at all; otherwise the input has nothing of them."""
    max: str | None = None
    """Bytes that are parsed: `64KiB`."""
    over: str = "flag"
    """`flag` or `deny(NNN)`: what becomes of a request whose body is not all there."""
    descriptors: str | None = None
    """File of the bundle: a descriptor set of the gRPC services whose requests are read."""


class Cache(Block):
    """Decisions that are given again."""

    ttl: int = Field(ge=1, le=3600)
    """Seconds for which an allowance is given again."""
    deny_ttl: int = Field(default=1, ge=0, le=3600, alias="denyTtl")
    """Seconds for which a denial is; 0: never."""
    opa_ignore: tuple[str, ...] | None = Field(default=None, alias="opaIgnore")
    """For `decide: {opa: ...}`: JSON pointers to the fields of the input that do not count."""


class Auth(Block):
    """The whole block."""

    identity: tuple[IdentityEntry, ...] = ()
    """Tried in order; the first that applies decides."""
    decide: Literal["authenticated"] | Rego | Opa | None = None
    """Who may."""
    emit: dict[str, str] = Field(default_factory=dict)
    """Header -> identity field."""
    body: Body = Field(default_factory=Body)
    """What policies see of request bodies."""
    cache: Cache | None = None
    """Whether and how long decisions are given again."""
    compat: Literal["opa-envoy"] | None = None
    """Input and result are exactly opa-envoy-plugin's, odd parts included."""
    on_error: str = Field(default="deny(503)", alias="onError")
    """`allow` or `deny(NNN)`: what becomes of a request that we cannot decide about."""
    mode: Literal["off", "shadow", "enforce"] | None = None
    """Wins over the policy's own."""
