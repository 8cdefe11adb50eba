"""Where the slots of a table are. Pure arithmetic."""

from dataclasses import dataclass

_DIGEST = 16
_WORD = 8


@dataclass(frozen=True)
class Layout:
    """Sets of slots, one after the other.

    A set has the digests of its slots first, side by side so that one search finds any; then a word
    of each slot for when it dies, one for when it was used, and its payload.
    """

    start: int
    """Of the first set, in bytes; of whole words."""
    sets: int
    ways: int
    """Slots of a set."""
    payload: int
    """Words of a slot."""

    @property
    def digests(self) -> int:
        """Bytes of the digests of a set."""
        return self.ways * _DIGEST

    @property
    def set_bytes(self) -> int:
        """Bytes of a set."""
        return self.ways * (_DIGEST + (2 + self.payload) * _WORD)

    @property
    def slots(self) -> int:
        """Of all sets."""
        return self.sets * self.ways

    @classmethod
    def within(cls, start: int, size: int, numbers: int, ways: int) -> "Layout":
        """As many sets as there is room for, of slots that have so many numbers.

        More than one number is there twice, beside a word that says which of the two counts.
        """
        payload = 1 if numbers == 1 else 1 + 2 * numbers
        start = -(-start // _WORD) * _WORD
        one = cls(start, 1, ways, payload).set_bytes
        return cls(start, max((size - _WORD) // one, 1), ways, payload)
