"""Several changes of one list of header fields, as one."""

from typing import Final

from callout.ext_proc.filter import NO_EDITS, Edits, Fields
from callout.http.head import Headers

FRAMING: Final = frozenset((b"content-length", b"transfer-encoding"))
"""Not a filter's to change: a wrong length cuts a message, or joins it with the next one."""


def then(first: Edits, second: Edits) -> Edits:
    """What both do, one after the other. A gateway removes before it sets."""
    put, add = first.put, first.add
    for name in second.remove + tuple(name for name, _ in second.put):
        put, add = _without(put, name), _without(add, name)
    return Edits(put + second.put, add + second.add, first.remove + second.remove)


def allowed(edits: Edits) -> Edits:
    """Without what is not a filter's to change."""
    put, add, remove = edits
    for name in FRAMING:
        put, add = _without(put, name), _without(add, name)
    return Edits(put, add, tuple(name for name in remove if name not in FRAMING))


def edited(headers: Headers, edits: Edits) -> Headers:
    """The fields as they are afterwards."""
    if edits is NO_EDITS:
        return headers
    gone = {*edits.remove, *(name for name, _ in edits.put)}
    return Headers([*(each for each in headers if each[0] not in gone), *edits.put, *edits.add])


def _without(fields: Fields, name: bytes) -> Fields:
    return tuple(each for each in fields if each[0] != name)
