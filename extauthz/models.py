"""The `auth` block of a Policy as it is written: shape and types; `config` checks the rest."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Jwks(_Model):
    """Where an issuer's public keys are; one of the two."""

    file: str | None = None
    """In the bundle."""
    url: str | None = None
    """`https://idp.example/keys`; fetched when needed, and again every five minutes."""


class Jwt(_Model):
    """Tokens of one issuer."""

    issuer: str = Field(min_length=1)
    """`iss`, letter by letter."""
    audience: list[str] = Field(min_length=1)
    """One of these must be in `aud`."""
    jwks: Jwks
    algorithms: list[str] | None = Field(default=None, min_length=1)
    """Default: all that are neither `none` nor HMAC."""
    leeway: int = Field(default=60, ge=0, le=600)
    """Seconds by which clocks may differ."""


class Anonymous(_Model):
    """Nobody; applies only when no credential is present."""


class IdentityEntry(_Model):
    """One way to say who is calling: exactly one key."""

    jwt: Jwt | None = None
    anonymous: Anonymous | None = None


class Auth(_Model):
    """The whole block."""

    identity: list[IdentityEntry] = Field(default_factory=list)
    """Tried in order; the first that applies decides."""
    decide: Any = None
    """`authenticated`, or a mapping that is a `Rego` or an `Opa`."""
    emit: dict[str, str] = Field(default_factory=dict)
    """Header -> identity field."""
    onError: str = "deny(503)"  # noqa: N815: as it is written in YAML
    """`allow` or `deny(NNN)`: what becomes of a request that we cannot decide about."""
    mode: Literal["off", "shadow", "enforce"] | None = None
    """Wins over the policy's own."""


class Rego(_Model):
    """Rego in this process."""

    rego: str = Field(min_length=1)
    """Folder of the bundle."""
    entrypoint: str = Field(pattern=r"^[^/\s]+(/[^/\s]+)+$")
    """`package/rule`: `shop/allow`."""
    data: str | None = None
    """JSON file of the bundle: Rego's `data`."""


class Opa(_Model):
    """An OPA server."""

    opa: str = Field(pattern=r"^[^/\s.]+(/[^/\s]+)*$")
    """The document's path: `shop/allow`."""
