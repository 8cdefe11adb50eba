"""A body with its headers, taken apart: strictly in one way or not at all, or in every way."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from callout.http.bodies import media_type
from callout.http.bodies.inflate import inflate
from callout.http.bodies.limits import DEFAULT, Limits
from callout.http.bodies.media_type import MISSING
from callout.http.bodies.oddities import REFUSED, Oddities, Oddity, sorted_words
from callout.http.bodies.others import others
from callout.http.bodies.reading import Kind, Reading, kind_of, read
from callout.http.head import Headers

Mode: TypeAlias = Literal["strict", "lenient"]
"""`strict` refuses what two readers could read differently; `lenient` reads it in every way."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A body, and what it comes to.

    All of it is there whether or not it is refused: who only watches wants to see.
    """

    body: bytes
    """Without content codings; as it was sent where they could not be undone."""
    readings: tuple[Reading, ...]
    """The first is what the headers say. Empty: there is no body."""
    oddities: Oddities
    refused: tuple[Oddity, ...]
    """Why it must not be taken for inspected, sorted; empty: it may."""


def decode(
    body: bytes,
    headers: Headers,
    mode: Mode = "strict",
    limits: Limits = DEFAULT,
    *,
    separators: bytes = b"&",
    kind: Kind | None = None,
) -> Decoded:
    """Takes a body apart.

    Args:
        body: as it was sent.
        headers: of the same message.
        mode: what is to be done about oddities.
        limits: how much is looked at.
        separators: of the arguments of a form.
        kind: what to read it as (`ctl:requestBodyProcessor`); None: what Content-Type says.
    """
    media_types = media_type.parse_all(headers.all(b"content-type")) or (MISSING,)
    oddities = frozenset[Oddity]().union(*(one.oddities for one in media_types))
    if not body:
        return _decoded(body, (), oddities, mode)
    plain = inflate(body, b",".join(headers.all(b"content-encoding")), limits)
    if kind is None:
        kind = kind_of(media_types[0])
    first = read(kind, plain.body, media_types[0], limits, separators)
    oddities |= plain.oddities | first.oddities
    further: tuple[Reading, ...] = ()
    if mode == "lenient":
        further, unread = others(first, plain.body, media_types, limits, separators)
        oddities |= unread
    return _decoded(plain.body, (first, *further), oddities, mode)


def _decoded(body: bytes, readings: tuple[Reading, ...], oddities: Oddities, mode: Mode) -> Decoded:
    return Decoded(body, readings, oddities, sorted_words(oddities & REFUSED[mode]))
