"""Where persistent collections are kept between transactions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Change:
    """What a transaction did to one member."""

    name: bytes
    value: bytes | None
    """None: it is deleted. A number that was only added to comes as `added`, with None here."""
    added: int | None = None
    """By how much a number grew, so that two transactions at once lose no hit."""
    expires: float | None = None
    """Seconds since 1970 at which the member is gone; None: with its collection."""


class Store(Protocol):
    """Members by collection. One process's memory, or something that processes share."""

    def open(self, collection: str, key: bytes, now: float) -> Mapping[bytes, bytes]:
        """The members that live at `now`, by their names as they were first written."""
        ...

    def write(
        self, collection: str, key: bytes, changes: tuple[Change, ...], now: float, lifetime: float
    ) -> None:
        """Take the changes of a transaction; the collection lives `lifetime` seconds more."""
        ...
