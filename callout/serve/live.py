"""Connections as they are now, for people: addresses, ages and sizes, nothing that was sent."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LiveConnection:
    """One connection of our own transport."""

    peer: str
    """The other end's address."""
    age: float
    """Seconds since it came."""
    quiet: float
    """Seconds since its last call began."""
    calls: int
    """Calls that began on it."""
    streams: dict[str, int]
    """Open ones by what they are at: `opening` (headers came), `receiving` (part of the message
    came), `waiting` (for its handler), `streaming`, `answered` (its request has not ended)."""
    oldest: float
    """Seconds since the oldest of these began; 0: none is open."""
    received: int
    """Bytes of requests that are not complete."""
    queued: int
    """Bytes of answers that the client has not taken."""
    stalled: bool
    """Whether the client reads so slowly that nothing more is taken from it."""
    leaving: bool
    """Whether it was asked to go."""
