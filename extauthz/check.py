"""What the core knows of one Check, in its own words: no protobuf here or anywhere below."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol, final


@final
class Absent:
    """The type of `ABSENT`: Envoy did not send that. Not `None`, which is JSON's `null`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = Absent()


class Attributes(Protocol):
    """All that Envoy said about the request, read only where somebody asks."""

    def at(self, path: tuple[str, ...]) -> Any:
        """The part of the `attributes` of opa-envoy-plugin's input at `path`, or `ABSENT`.

        Args:
            path: names as protobuf's JSON has them (`source`, `address`, `socketAddress`);
                `()` is the whole. Does not go into lists.

        Returns:
            JSON values with exact numbers; only fields that are set.

        Raises:
            ValueError: a number that JSON cannot write.
        """
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the request, as `CheckInput.headers`."""
        ...

    def as_sent(self) -> "Attributes":
        """The same with the headers of Envoy's `headers` alone, as opa-envoy-plugin shows them.

        They are empty where Envoy filled `header_map` instead.
        """
        ...

    def bodies(self) -> tuple[str, bytes]:
        """What Envoy buffered of the body, as `body` and as `raw_body`: it sets one of them."""
        ...

    def above(self, path: tuple[str, ...]) -> tuple[tuple[str, ...], Any]:
        """Where a path that `at` finds absent ends: its longest beginning that is there.

        Returns:
            That beginning, and what stands there; of an object perhaps an empty one.
        """
        ...


class CheckInput(NamedTuple):
    """An HTTP request to decide about."""

    host: str
    """As sent, port and all; the URL's host for an absolute-form target."""
    method: str
    path: str
    """The raw `:path` with its query, as the client sent it."""
    headers: Mapping[str, str]
    """Lower-case names; the values of a repeated header are joined by `,` (Envoy does the same),
    pseudo-headers included. From `headers` and `header_map` alike."""
    named: str | None
    """The policy that trusted route configuration names (`context_extensions.policy`)."""
    attributes: Attributes


_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class NetworkCheck(NamedTuple):
    """A connection to decide about, asked by Envoy's TCP filter: it has no HTTP part."""

    host: str
    """The server name of its TLS session (SNI), if Envoy sends that; otherwise empty."""
    named: str | None
    """As in `CheckInput`."""
    attributes: Attributes
    headers: Mapping[str, str] = _NO_HEADERS
    """None: no credential of a header can come with it."""


class Malformed(NamedTuple):
    """Not a CheckRequest at all."""


class TooManyHeaders(NamedTuple):
    """More than any gateway takes: Envoy's own default is 100."""


class Unreadable(ValueError):
    """A part of the request that has no certain meaning; raised and caught inside the core."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        """A stable word for metrics and for the client: `query`, `body`, `path_escape`."""
        self.status = status
        """HTTP status of the denial."""
