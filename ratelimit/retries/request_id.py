"""Tells by the name of an operator's descriptor entry that a request may come again. Pure."""

from hashlib import blake2b
from typing import Final

from ratelimit.request import Request

NO_RECEIPT: Final = b""
PREFIX: Final = b"rl:r:"
"""Of the names of receipts; no counter's begins so."""
MOST: Final = 3
"""Times that one request is answered again without being counted. Whoever chooses request ids by
themselves passes four times the limit, and not for ever."""


def without_id(request: Request, by: str) -> tuple[Request, bool]:
    """The request as limits see it, and whether it had an id.

    An id is no part of what is counted by: each of them would be a counter of its own.
    """
    found = False
    descriptors = []
    for each in request.descriptors:
        kept = tuple([entry for entry in each.entries if entry[0] != by])
        if len(kept) != len(each.entries):
            found = found or any(value for key, value in each.entries if key == by)
            each = each._replace(entries=kept)
        descriptors.append(each)
    return request._replace(descriptors=tuple(descriptors)), found


def receipt(message: bytes) -> bytes:
    """What stands for a request that has an id.

    Of the whole message and not of the id: a gateway may ask twice about one request of a client,
    at two places, or before and after it, and both are counted.
    """
    return blake2b(message, digest_size=16).digest()
