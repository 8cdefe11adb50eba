"""Which node of a Cluster a command belongs to, and what nodes say when it is another. Pure."""

from typing import NamedTuple, TypeAlias

from redis.crc import key_slot

from callout.redis.pipeline import ErrorReply, Reply
from callout.redis.servers import Address, address

SLOTS = 16384
MOST_NODES: int = 1000
"""Masters: Redis recommends no more. A map that names more is not followed."""

Owners: TypeAlias = list[Address | None]
"""The master of each slot; None: nobody serves it."""


class Redirect(NamedTuple):
    """A node did not execute a command, and says who would."""

    slot: int
    address: Address
    asking: bool
    """Only this once: the slot is being moved, and this key has gone already, or was not there."""


def slot_of(command: bytes) -> int:
    """The slot of a packed command's first key; of EVAL and EVALSHA too.

    Raises:
        ValueError: it has no key.
    """
    _, _, name, size, rest = command.split(b"\r\n", 4)
    if name in (b"EVALSHA", b"EVAL"):
        _, number, size, rest = rest[int(size[1:]) + 2 :].split(b"\r\n", 3)
        if number == b"0":
            raise ValueError("a script without keys")
    return key_slot(rest[: int(size[1:])])


def owners(reply: Reply, asked: Address) -> Owners | None:
    """Reads the answer to CLUSTER SLOTS; None: it is none.

    Args:
        reply: what was answered.
        asked: who answered: a node that does not know its own name leaves it out.
    """
    if not isinstance(reply, list):
        return None
    found: Owners = [None] * SLOTS
    masters = set()
    for each in reply:
        match each:
            case [int(first), int(last), [(bytes() | None) as host, int(port), *_], *_]:
                name = host.decode(errors="replace") if host else asked.host
                master = Address(name, port)
            case _:
                return None
        if not 0 <= first <= last < SLOTS:
            return None
        masters.add(master)
        found[first : last + 1] = [master] * (last + 1 - first)
    return found if len(masters) <= MOST_NODES else None


def redirect(error: ErrorReply, asked: Address) -> Redirect | None:
    """Reads `MOVED 3999 127.0.0.1:6381`, and the same with ASK; None: it is another error."""
    match error.message.split(" "):
        case [("MOVED" | "ASK") as word, slot, place] if slot.isascii() and slot.isdigit():
            pass
        case _:
            return None
    try:
        found = address(place if place.rpartition(":")[0] else f"[{asked.host}]{place}")
    except ValueError:
        return None
    return Redirect(int(slot), found, word == "ASK") if int(slot) < SLOTS else None
