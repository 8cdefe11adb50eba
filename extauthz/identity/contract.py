"""The contract of one way to say who is calling."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple, Protocol, TypeAlias

from extauthz.identity.keys import KeySet


class UnverifiedToken(NamedTuple):
    """A bearer token, taken apart; nothing in it is true until an entry has verified it."""

    text: str
    """The compact form as presented. A secret: never logged, never in an error."""
    issuer: str
    """`iss`: decides which entry verifies it, and nothing else. Empty when it names none."""
    algorithm: str
    """`alg` of its header."""
    kid: str | None
    """`kid` of its header."""


class BadCredential(NamedTuple):
    """A credential that proves nothing: 401, whatever other entries would say."""

    reason: str
    """A stable word for metrics: `expired`, `signature`, `unknown_issuer`."""


class IdentityFailed(NamedTuple):
    """We could not verify: our failure, so the policy's `onError` decides."""

    reason: str
    """A stable word for metrics: `keys_unavailable`, `deadline`."""


class NotPresent(NamedTuple):
    """No credential, and no entry that does without one: 401."""


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """Somebody, verified; or nobody, where the policy lists `anonymous`."""

    claims: Mapping[str, Any] | None
    """What the credential says of its holder, JSON with exact numbers; None: anonymous."""
    expires: float = float("inf")
    """When the credential ends, in seconds since 1970."""
    keys: KeySet | None = None
    """The keys that verified it."""
    keys_url: str = ""
    """Where those keys came from; empty when they are part of the bundle."""
    serial: int = field(default_factory=count().__next__, repr=False)
    """Of this verification, in this process: what is remembered for one credential is never given
    to another, nor to the same one after it had to be verified again."""
    memo: list[Any] = field(default_factory=list, repr=False)
    """What was last made of the claims (`emit`); says nothing that the claims do not say."""

    @property
    def subject(self) -> str:
        """`sub`, as far as it is a text; empty for nobody."""
        subject = self.claims.get("sub") if self.claims is not None else None
        return subject if isinstance(subject, str) else ""


Found: TypeAlias = Identity | BadCredential | IdentityFailed


class KeySource(Protocol):
    """Where the keys of an issuer come from that the bundle only names by a URL."""

    def get(
        self, url: str, kid: str | None, now: float
    ) -> KeySet | Awaitable[KeySet | None] | None:
        """The keys at `url`; None when they cannot be had.

        Args:
            url: the key set's address.
            kid: the key that is looked for: an unknown one may cause a fetch, within limits.
            now: seconds since 1970.

        Returns:
            At once what is known, or an awaitable when that needs a fetch.
        """
        ...

    def current(self, url: str, now: float) -> KeySet | None:
        """What is known now; may start a refresh, never waits for it."""
        ...


class Identifier(Protocol):
    """One entry of a policy's `identity`. Never raises."""

    def applies(self, token: UnverifiedToken | None) -> bool:
        """Whether this entry's credential is there: then it decides, alone."""
        ...

    def identify(
        self, token: UnverifiedToken | None, keys: KeySource, now: float
    ) -> Found | Awaitable[Found]:
        """Verify it. `now` is in seconds since 1970; only a fetch of keys makes it wait."""
        ...

    def overdue(self, keys: KeySource, now: float) -> BadCredential | IdentityFailed:
        """What to say when that wait has been too long."""
        ...
