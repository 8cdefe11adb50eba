"""Spoiled conversations: the same seed always gives the same bytes."""

import gzip
import itertools
import random
from collections.abc import Callable, Mapping, Sequence

from callout.http2 import frames
from callout.http2.hpack import literal_block
from tests.fuzz.conversation import Conversation, Frame, frames_of, joined

_PREFACE = frames.PREFACE
_IDS = (0, 1, 2, 3, 5, 7, 99, 2**31 - 1, 2**31, 2**32 - 1)
_WORDS = (0, 1, 2, 4095, 4096, 16_383, 16_384, 16_385, 65_535, 2**24 - 1, 2**31 - 1, 2**31)
_VALUES = (*_WORDS, 2**32 - 1)
_REQUEST = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/grpc.health.v1.Health/Check"),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
]
_TIMEOUTS = (b"0n", b"1n", b"1u", b"1m", b"99999999H", b"1", b"", b"-1S", b"1 S", b"123456789S")
_FIELDS = (
    *((b"grpc-timeout", each) for each in _TIMEOUTS),
    (b"grpc-encoding", b"gzip"),
    (b"grpc-encoding", b"br"),
    (b"content-length", b"5"),
    (b"content-length", b"99999999999999999999"),
    (b"connection", b"close"),
    (b":path", b"/"),
    (b"Upper", b"case"),
    (b"nul", b"a\0b"),
    (b"big", b"x" * 5000),
    (b"te", b"gzip"),
    (b"host", b"elsewhere"),
    (b"empty", b" "),
    (b"", b"no name"),
)


def made(chance: random.Random) -> Frame:
    """A frame that no recording has: each kind, with the values at which rules change."""
    stream_id = chance.choice(_IDS) if chance.random() < 0.5 else 2 * chance.randrange(20) + 1
    word = chance.choice(_VALUES).to_bytes(4, "big")
    match chance.randrange(12):
        case 0:
            key = chance.randrange(8).to_bytes(2, "big")
            return Frame(frames.SETTINGS, 0, 0, (key + word) * chance.choice((1, 1, 2, 40)))
        case 1:
            return Frame(frames.SETTINGS, frames.ACK, 0, b"")
        case 2 | 3:
            return Frame(frames.WINDOW_UPDATE, 0, chance.choice((0, stream_id)), word)
        case 4:
            return Frame(frames.RST_STREAM, 0, stream_id, word)
        case 5:
            payload = chance.choice((b"drained?", b"12345678", b""))
            return Frame(frames.PING, chance.randrange(2), 0, payload)
        case 6:
            return Frame(frames.GOAWAY, 0, 0, word + word + b"x" * chance.randrange(9))
        case 7:
            return Frame(frames.PRIORITY, 0, stream_id, word + b"\x10")
        case 8:
            return Frame(frames.CONTINUATION, chance.choice((0, 4)), stream_id, word)
        case 9 | 10:
            fields = [*_REQUEST, chance.choice(_FIELDS)]
            return Frame(frames.HEADERS, chance.choice((4, 5, 0)), stream_id, literal_block(fields))
        case _:
            return Frame(chance.randrange(256), chance.randrange(256), stream_id, word * 2)


def _flip(data: bytes, chance: random.Random, most: int = 3) -> bytes:
    if not data:
        return b"\xff"
    out = bytearray(data)
    for _ in range(chance.randint(1, most)):
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    return bytes(out)


Edit = Callable[[list[Frame], int, random.Random, Sequence[Frame]], None]
"""Changes frames in place at an index; the last argument has frames of another recording."""


def _drop(parts: list[Frame], at: int, chance: random.Random, other: Sequence[Frame]) -> None:
    del parts[at : at + chance.choice((1, 1, 2, 5))]


def _twice(parts: list[Frame], at: int, chance: random.Random, other: Sequence[Frame]) -> None:
    run = parts[at : at + chance.choice((1, 1, 2, 4))]
    parts[at:at] = run * chance.choice((1, 1, 1, 30))


def _swap(parts: list[Frame], at: int, chance: random.Random, other: Sequence[Frame]) -> None:
    to = chance.randrange(at, len(parts))
    parts[at], parts[to] = parts[to], parts[at]


def _shuffle(parts: list[Frame], at: int, chance: random.Random, other: Sequence[Frame]) -> None:
    run = parts[at : at + 6]
    chance.shuffle(run)
    parts[at : at + 6] = run


def _kind(parts: list[Frame], at: int, chance: random.Random, other: Sequence[Frame]) -> None:
    parts[at] = parts[at]._replace(kind=chance.choice((*range(11), 255)))


def _flags(parts: list[Frame], at: int, chance: random.Random, other: Sequence[Frame]) -> None:
    parts[at] = parts[at]._replace(flags=parts[at].flags ^ 1 << chance.randrange(8))


def _stream(parts: list[Frame], at: int, chance: random.Random, other: Sequence[Frame]) -> None:
    near = parts[at].stream_id + chance.choice((-4, -2, -1, 1, 2, 4, 1000))
    parts[at] = parts[at]._replace(stream_id=chance.choice((max(near, 0), chance.choice(_IDS))))


def _bits(parts: list[Frame], at: int, chance: random.Random, other: Sequence[Frame]) -> None:
    parts[at] = parts[at]._replace(payload=_flip(parts[at].payload, chance))


def _shorter(parts: list[Frame], at: int, chance: random.Random, other: Sequence[Frame]) -> None:
    payload = parts[at].payload
    parts[at] = parts[at]._replace(payload=payload[: chance.randrange(len(payload) + 1)])


def _longer(parts: list[Frame], at: int, chance: random.Random, other: Sequence[Frame]) -> None:
    more = chance.choice((b"\0", b"\0\0\0\0\0", chance.randbytes(20), bytes(20_000)))
    parts[at] = parts[at]._replace(payload=parts[at].payload + more)


def _word(parts: list[Frame], at: int, chance: random.Random, other: Sequence[Frame]) -> None:
    payload = bytearray(parts[at].payload)
    place = chance.randrange(max(1, len(payload) - 3))
    payload[place : place + 4] = chance.choice(_VALUES).to_bytes(4, "big")
    parts[at] = parts[at]._replace(payload=bytes(payload))


def _insert(parts: list[Frame], at: int, chance: random.Random, other: Sequence[Frame]) -> None:
    parts[at:at] = [made(chance)] * chance.choice((1, 1, 1, 1, 40))


def _splice(parts: list[Frame], at: int, chance: random.Random, other: Sequence[Frame]) -> None:
    start = chance.randrange(len(other))
    run = other[start : start + chance.randint(1, 6)]
    parts[at : at + chance.choice((0, len(run)))] = run


def _split(parts: list[Frame], at: int, chance: random.Random, other: Sequence[Frame]) -> None:
    """As CONTINUATION frames, or as several frames of DATA."""
    kind, flags, stream_id, payload = parts[at]
    place = chance.randrange(len(payload) + 1)
    if kind == frames.HEADERS:
        parts[at : at + 1] = [
            Frame(kind, flags & ~frames.END_HEADERS, stream_id, payload[:place]),
            Frame(frames.CONTINUATION, frames.END_HEADERS, stream_id, payload[place:]),
        ]
    else:
        parts[at : at + 1] = [
            Frame(kind, flags & ~frames.END_STREAM, stream_id, payload[:place]),
            Frame(kind, flags, stream_id, payload[place:]),
        ]


def _pad(parts: list[Frame], at: int, chance: random.Random, other: Sequence[Frame]) -> None:
    kind, flags, stream_id, payload = parts[at]
    size = chance.randrange(256)
    said = chance.choice((size, size, chance.randrange(256)))
    payload = bytes((said,)) + payload + bytes(size)
    parts[at] = Frame(kind, flags | frames.PADDED, stream_id, payload)


def _call(parts: list[Frame], at: int, chance: random.Random, other: Sequence[Frame]) -> None:
    """A call of its own behind all that began before, good or with a field too many."""
    stream_id = max((each.stream_id for each in parts if each.kind == frames.HEADERS), default=-1)
    stream_id = (stream_id + 2) & 0x7FFFFFFF | 1
    fields = [*_REQUEST, *chance.sample(_FIELDS, chance.choice((0, 0, 1, 1, 2)))]
    body = chance.choice((bytes(5), b"\1\0\0\0\0", b"\0\0\0\0\1x", bytes(10), bytes(3), b""))
    parts += [
        Frame(frames.HEADERS, 4, stream_id, literal_block(fields)),
        Frame(frames.DATA, chance.choice((0, 1, 1)), stream_id, body),
    ]


def _trailers(parts: list[Frame], at: int, chance: random.Random, other: Sequence[Frame]) -> None:
    """Trailers, good or not, behind a body."""
    kind, flags, stream_id, payload = parts[at]
    if kind == frames.DATA:
        parts[at] = Frame(kind, flags & ~frames.END_STREAM, stream_id, payload)
    fields = [(b"x-sum", b"1"), *chance.sample(_FIELDS, chance.choice((0, 1)))]
    block = chance.choice((literal_block(fields), b""))
    parts.insert(at + 1, Frame(frames.HEADERS, chance.choice((5, 5, 4)), stream_id, block))


def _narrow(parts: list[Frame], at: int, chance: random.Random, other: Sequence[Frame]) -> None:
    """A client that lets answers through by the spoonful."""
    window = chance.choice((0, 0, 1, 9, 50, 65_535)).to_bytes(4, "big")
    if chance.random() < 0.5:  # the clients' own windows are larger than any answer
        at = 0
        large = [each for each in parts if each.kind == frames.WINDOW_UPDATE]
        parts[:] = [each for each in parts if each not in large] or parts
    streams = sorted({each.stream_id for each in parts if each.stream_id < 2**31})
    for _ in range(chance.randrange(12)):
        size = chance.choice((1, 5, 20, 1000)).to_bytes(4, "big")
        place = chance.randrange(at, len(parts)) + 1
        parts.insert(place, Frame(frames.WINDOW_UPDATE, 0, chance.choice(streams), size))
    parts.insert(at, Frame(frames.SETTINGS, 0, 0, b"\0\4" + window))


EDITS: tuple[Edit, ...] = (
    _drop, _twice, _swap, _shuffle, _kind, _flags, _stream, _bits, _bits,
    _shorter, _longer, _word, _insert, _insert, _splice, _split, _pad,
    _call, _call, _trailers, _narrow, _narrow,
)  # fmt: skip
"""Structure-aware ones: what they leave is frames, with lengths that are right."""


def _spoil_bytes(data: bytes, first: int, chance: random.Random, other: bytes) -> bytes:
    """A change that does not care about frames, behind `first`."""
    at = chance.randrange(first, len(data) + 1)
    size = chance.choice((1, 2, 3, 9, 50))
    match chance.randrange(8):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + data[at + size :]
        case 2:
            return data[: at + size] + data[at : at + size] + data[at + size :]
        case 3:
            return data[:at] + chance.randbytes(size) + data[at:]
        case 4:
            return data[:at] + chance.randbytes(size) + data[at + size :]
        case 5:
            return data[:at] + other[chance.randrange(len(other)) :]
        case 6:
            to = chance.randrange(at, len(data) + 1)
            return data[:at] + data[to : to + size] + data[at:to] + data[to + size :]
        case _:
            return data[:at] + _flip(data[at:], chance)


def _lie(parts: Sequence[Frame], at: int, chance: random.Random) -> bytes:
    """One frame says another length than it has."""
    data = bytearray(joined(parts[at:]))
    length = chance.choice((0, 1, len(parts[at].payload) + 1, 16_384, 16_385, 2**24 - 1))
    data[:3] = length.to_bytes(3, "big")
    return bytes(data)


class Spoiler:
    """Makes inputs of the recordings."""

    def __init__(self, recordings: Mapping[str, Conversation]) -> None:
        self._frames = [frames_of(each.data) for each in recordings.values()]
        self._bytes = [each.data for each in recordings.values()]
        # Where the reads of each end.
        self._ends: list[list[int]] = []
        for each in recordings.values():
            ends, at = [], 0
            for read in each.reads:
                at += len(read)
                ends.append(at)
            self._ends.append(ends)

    def spoil(self, target: str, seed: int) -> Conversation:
        """The input of this seed. What is before its first change stands as recorded."""
        chance = random.Random(seed)
        which = chance.randrange(len(self._frames))
        recorded = self._frames[which]
        # Short ones are many: most mistakes need few frames, and cost less to look for.
        parts = recorded[: min(len(recorded), 3 + int(chance.expovariate(1 / 9)))]
        other = self._frames[chance.randrange(len(self._frames))]
        way = chance.random()
        if way < 0.68:
            parts = list(parts)
            at = len(parts)
            for _ in range(chance.choice((1, 1, 1, 2, 4))):
                place = chance.randrange(len(parts)) if parts else 0
                at = min(at, place)
                if parts:
                    chance.choice(EDITS)(parts, place, chance, other)
            data = _PREFACE + joined(parts)
        elif way < 0.76:
            at = chance.randrange(len(parts))
            data = _PREFACE + joined(parts[:at]) + _lie(parts, at, chance)
        else:
            data = _PREFACE + joined(parts)
            first = len(_PREFACE) if chance.random() < 0.9 else 0
            data = _spoil_bytes(data, first, chance, self._bytes[which])
        return Conversation(self._cut(data, self._ends[which], chance), target, seed)

    def _cut(self, data: bytes, ends: Sequence[int], chance: random.Random) -> tuple[bytes, ...]:
        """As recorded, or whole, or anywhere, or byte by byte."""
        way = chance.randrange(16)
        if way == 0:
            return (*tuple(data[at : at + 1] for at in range(min(len(data), 400))), data[400:])
        if way < 5:
            return (data,)
        if way < 10:
            places = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randint(1, 6)))
        else:
            places = [each for each in ends if each < len(data)]
        bounds = [0, *places, len(data)]
        pieces = [data[a:b] for a, b in itertools.pairwise(bounds)]
        return tuple(each for each in pieces if each)

    def untouched(self, conversation: Conversation) -> tuple[int, int]:
        """Which recording an input begins as, and for how many bytes it does."""
        data = conversation.data
        which = random.Random(conversation.seed).randrange(len(self._bytes))
        recorded = self._bytes[which]
        low, high = 0, min(len(data), len(recorded))
        if data[:high] == recorded[:high]:
            return which, high
        while low + 1 < high:
            middle = (low + high) // 2
            if data[:middle] == recorded[:middle]:
                low = middle
            else:
                high = middle
        return which, low


def _blocks_of(parts: Sequence[Frame]) -> list[bytes]:
    return [each.payload for each in parts if each.kind == frames.HEADERS]


def _bodies_of(parts: Sequence[Frame]) -> list[bytes]:
    bodies: dict[int, bytes] = {}
    for each in parts:
        if each.kind == frames.DATA:
            bodies[each.stream_id] = bodies.get(each.stream_id, b"") + each.payload
    return [each for each in bodies.values() if each]


class PieceSpoiler:
    """Makes inputs of parts of the recordings: header blocks, bodies, header lists."""

    def __init__(self, recordings: Mapping[str, Conversation]) -> None:
        split = [frames_of(each.data) for each in recordings.values()]
        self._blocks = [_blocks_of(each) for each in split]
        self._bodies = [body for each in split for body in _bodies_of(each) if len(body) < 4000]

    def blocks(self, target: str, seed: int) -> Conversation:
        """Header blocks of one connection in turn, of which one is spoiled."""
        chance = random.Random(seed)
        recorded = chance.choice(self._blocks)
        reads = recorded[: chance.choice((1, 1, 2, 3, 6))]
        reads.append(_spoil_bytes(reads[-1], 0, chance, chance.choice(recorded)))
        reads.append(chance.choice(recorded))
        return Conversation(tuple(reads), target, seed)

    def body(self, target: str, seed: int) -> Conversation:
        """The bytes of one stream: messages, spoiled, in pieces."""
        chance = random.Random(seed)
        data = b"".join(chance.choice(self._bodies) for _ in range(chance.choice((1, 1, 2, 4))))
        if chance.random() < 0.3:  # lies about a length and about compression
            flag = chance.choice((0, 0, 1, 2, 255))
            data = bytes((flag,)) + chance.choice(_VALUES).to_bytes(4, "big") + data[5:]
        elif chance.random() < 0.05:
            bomb = gzip.compress(bytes(chance.choice((2999, 3000, 3001, 100_000))), mtime=0)
            data = b"\1" + len(bomb).to_bytes(4, "big") + bomb + data
        else:
            data = _spoil_bytes(data, 0, chance, data)
        places = sorted(chance.randrange(len(data) + 1) for _ in range(chance.choice((0, 1, 1, 4))))
        bounds = [0, *places, len(data)]
        pieces = tuple(data[a:b] for a, b in itertools.pairwise(bounds))
        return Conversation(pieces, target, seed)

    def fields(self, target: str, seed: int) -> Conversation:
        """A header list: name, value, name, value; `grpc-timeout` and others in all shapes."""
        chance = random.Random(seed)
        listed = [*_REQUEST, (b"grpc-timeout", chance.choice((b"10S", b"250m", b"1H")))]
        listed += chance.sample(_FIELDS, chance.randrange(3))
        chance.shuffle(listed)
        reads = [part for field in listed for part in field]
        for _ in range(chance.choice((0, 1, 1, 2))):
            at = chance.randrange(len(reads))
            reads[at] = _spoil_bytes(reads[at], 0, chance, b"0123456789HMSmun")
        return Conversation(tuple(reads), target, seed)
