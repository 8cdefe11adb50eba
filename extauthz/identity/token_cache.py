"""Remembers verified tokens: a signature is checked once (ES256: 90 us), then looked up (1 us).

What is remembered is bound to everything that verification looked at: the token, the whole list
of entries that it was tried against (`scope`: issuers, audiences, algorithms, keys of the
bundle), the fetched key set, the token's own end, and the time: a clock that is set back may be
before the token's beginning. Failures are never remembered.
"""

import hashlib
from typing import TypeAlias

from extauthz.identity.contract import Identity, KeySource

ENTRIES = 10_000
"""Tokens remembered, at most twice that for a moment; about 2 KB each."""
BYTES = 16 * 1024 * 1024
"""Length of all remembered tokens together: a bound for the claims that are kept."""
SET_BACK = 1.0
"""Seconds that a clock may go back without verifying everything again: NTP corrects by less."""

_Entry: TypeAlias = tuple[Identity, int, float]
"""Who, the token's length, and when it was verified."""


class TokenCache:
    """Two generations: what is used survives, what is not is gone after at most two fillings.

    Cheaper than an exact LRU: a hit in the young generation moves nothing.
    """

    __slots__ = ("_bytes", "_bytes_most", "_entries_most", "_old", "_young")

    def __init__(self, entries: int = ENTRIES, size: int = BYTES) -> None:
        self._entries_most = max(1, entries // 2)
        self._bytes_most = max(1, size // 2)
        self._young: dict[bytes, _Entry] = {}
        self._old: dict[bytes, _Entry] = {}
        self._bytes = 0

    def get(self, scope: str, token: str, keys: KeySource, now: float) -> Identity | None:
        """Whoever `token` was verified to be, if that still holds.

        Args:
            scope: the list of entries, by its content.
            token: the compact form.
            keys: says whether fetched keys are still those that verified.
            now: seconds since 1970.
        """
        name = _name(scope, token)
        entry = self._young.get(name)
        if entry is None:
            entry = self._old.pop(name, None)
            if entry is None:
                return None
            self._add(name, entry)
        identity, size, verified = entry
        if (now >= identity.expires or now < verified - SET_BACK) or (
            identity.keys_url and keys.current(identity.keys_url, now) is not identity.keys
        ):
            del self._young[name]
            self._bytes -= size
            return None
        return identity

    def put(self, scope: str, token: str, identity: Identity, now: float) -> None:
        """Remember a token that *was verified* against `scope`."""
        if identity.expires > now and len(token) <= self._bytes_most:
            self._add(_name(scope, token), (identity, len(token), now))

    def _add(self, name: bytes, entry: _Entry) -> None:
        if len(self._young) >= self._entries_most or self._bytes + entry[1] > self._bytes_most:
            self._old, self._young, self._bytes = self._young, {}, 0
        replaced = self._young.get(name)
        self._young[name] = entry
        self._bytes += entry[1] - (replaced[1] if replaced is not None else 0)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)


def _name(scope: str, token: str) -> bytes:
    # a digest, not the token: nothing that could be replayed is kept, and its size is known
    return hashlib.sha256(f"{scope}\n{token}".encode("utf-8", "surrogatepass")).digest()
