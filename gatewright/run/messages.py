"""What the supervising process and its workers say to each other."""

from typing import TypeAlias

import msgspec


class Start(msgspec.Struct, tag="start", frozen=True):
    """The first word to a worker: how to run."""

    settings: bytes
    """The settings as JSON."""
    metrics: str
    """The directory in which all workers count."""


class NewBundle(msgspec.Struct, tag="bundle", frozen=True):
    """The bundle's files, read once for all workers."""

    files: dict[str, bytes]


class Drain(msgspec.Struct, tag="drain", frozen=True):
    """Finish what is in flight and go."""

    seconds: float


ToWorker: TypeAlias = Start | NewBundle | Drain


class Listening(msgspec.Struct, tag="listening", frozen=True):
    """The worker accepts connections; health says NOT_SERVING until it has a bundle."""


class Loaded(msgspec.Struct, tag="loaded", frozen=True):
    """The worker decides by this bundle from now on."""

    digest: str


class Refused(msgspec.Struct, tag="refused", frozen=True):
    """The worker could not use the bundle; it decides by what it had."""

    problems: list[str]


FromWorker: TypeAlias = Listening | Loaded | Refused

_encoder = msgspec.msgpack.Encoder()
_to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
_from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


def encode(message: ToWorker | FromWorker) -> bytes:
    """One message, for the control channel."""
    return _encoder.encode(message)


def to_worker(data: bytes) -> ToWorker:
    """Reads what the supervising process said."""
    return _to_worker.decode(data)


def from_worker(data: bytes) -> FromWorker:
    """Reads what a worker said."""
    return _from_worker.decode(data)
