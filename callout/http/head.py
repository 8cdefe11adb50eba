"""What stands before a body: header fields as they were sent, and who sent them.

Everything that may be matched is bytes. A header value may be any bytes but CR, LF and NUL, and
whoever decodes it too early misses what is hidden in those that are no UTF-8.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class Headers:
    """Header fields in the order in which they were sent, repeated ones included. Never changes."""

    __slots__ = ("_fields", "_index")

    def __init__(self, fields: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Keeps the fields as they are.

        Args:
            fields: (name, value); names in lower case, without pseudo-headers.
        """
        self._fields: Final = tuple(fields)
        # Made at the first look-up: it costs as much as three look-ups by walking.
        self._index: dict[bytes, tuple[bytes, ...]] | None = None

    def all(self, name: bytes) -> tuple[bytes, ...]:
        """Every value of a name in lower case, in order; empty: it was not sent."""
        index = self._index
        return (self._indexed() if index is None else index).get(name, ())

    def _indexed(self) -> dict[bytes, tuple[bytes, ...]]:
        index: dict[bytes, tuple[bytes, ...]] = {}
        for key, value in self._fields:
            index[key] = (*index[key], value) if key in index else (value,)
        self._index = index
        return index

    def get(self, name: bytes) -> bytes | None:
        """The first value of a name in lower case; None: it was not sent."""
        values = self.all(name)
        return values[0] if values else None

    def joined(self, name: bytes) -> bytes | None:
        """All values as one, as RFC 9110, 5.3 and RFC 6265 (cookies) join them; None: not sent."""
        values = self.all(name)
        if len(values) > 1:
            return (b"; " if name == b"cookie" else b", ").join(values)
        return values[0] if values else None

    def __contains__(self, name: object) -> bool:
        index = self._index
        return name in (self._indexed() if index is None else index)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)

    def __repr__(self) -> str:
        # Without values: they are secrets now and then, and this is what a log would show.
        return f"Headers({', '.join(repr(name) for name, _ in self._fields)})"


class RequestHead(NamedTuple):
    """The head of a request. Made for each: a NamedTuple takes a third of a frozen dataclass."""

    method: bytes
    scheme: bytes
    """`http`, `https`; empty when nobody said."""
    authority: bytes
    """The host, with its port if one was sent."""
    path: bytes
    """Raw, with the query: the request target as the gateway passes it on."""
    version: bytes
    """`HTTP/1.1`, `HTTP/2`; empty when nobody said."""
    headers: Headers
    """Without pseudo-headers and without `host`, which is `authority`."""


class ResponseHead(NamedTuple):
    """The head of a response."""

    status: int
    headers: Headers
    """Without pseudo-headers."""


_NO_METADATA: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType({})


class Peer(NamedTuple):
    """What the gateway knows of a request beside the request."""

    source_address: bytes = b""
    """The client's, without port; `unix:` paths as they are. Empty: the gateway did not say."""
    source_port: int = 0
    destination_address: bytes = b""
    destination_port: int = 0
    request_id: bytes = b""
    """`x-request-id` as the gateway knows it."""
    route: bytes = b""
    """The name of the route that was chosen."""
    metadata: Mapping[str, Mapping[str, object]] = _NO_METADATA
    """What filters before us found, by namespace: `envoy.filters.http.ext_authz`."""
