"""The `auth` block of a Policy as it is written: shape and types; `config` checks the rest."""

from typing import Literal

from pydantic import Field

from callout.config.validate import Block


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


class Rego(Block):
    """Rego in this process."""

    rego: str = Field(min_length=1)
    """Folder of the bundle."""
    entrypoint: str = Field(pattern=r"^[^/\s]+(/[^/\s]+)+$")
    """`package/rule`: `shop/allow`."""
    data: str | None = None
    """JSON file of the bundle: Rego's `data`."""


class Opa(Block):
    """An OPA server."""

    opa: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z0-9_][A-Za-z0-9_-]*)*$")
    """The document's path: `shop/allow`."""


class Auth(Block):
    """The whole block."""

    identity: tuple[IdentityEntry, ...] = ()
    """Tried in order; the first that applies decides."""
    decide: Literal["authenticated"] | Rego | Opa | None = None
    """Who may."""
    emit: dict[str, str] = Field(default_factory=dict)
    """Header -> identity field."""
    compat: Literal["opa-envoy"] | None = None
    """Input and result are exactly opa-envoy-plugin's, odd parts included."""
    on_error: str = Field(default="deny(503)", alias="onError")
    """`allow` or `deny(NNN)`: what becomes of a request that we cannot decide about."""
    mode: Literal["off", "shadow", "enforce"] | None = None
    """Wins over the policy's own."""
