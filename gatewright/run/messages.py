"""What the supervising process and its workers say to each other."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import msgspec

from callout.config import records
from callout.config.bundle import Bundle
from callout.config.documents import Policy
from callout.serve.certificates import Certificates
from gatewright.run.questions import Answer, Question
from ratelimit.er.sums import Grown


class Start(msgspec.Struct, tag="start", frozen=True):
    """The first word to a worker: how to run."""

    settings: bytes
    """The settings as JSON."""
    metrics: str
    """The directory in which all workers count."""
    certificates: Certificates | None = None
    """Those in use now; with `tls` only."""
    hold: bool = False
    """Whether to accept no connection before the first bundle is used, or refused: somebody else
    answers meanwhile, or connections wait."""
    place: int = 0
    """The worker's number, as `/config` and decision lines have it."""
    http: int = 0
    """How many of the listening sockets, at their end, are of the HTTP port."""
    counters: int | None = None
    """The descriptor of the memory that all workers count in; None: each has its own."""


class BundleComes(msgspec.Struct, tag="bundle", frozen=True):
    """A bundle follows in pieces; what came of another one before is void."""

    digest: str


class BundleFile(msgspec.Struct, tag="file", frozen=True):
    """A file of the bundle, or the next piece of it."""

    path: str
    data: bytes


class BundlePolicies(msgspec.Struct, tag="policies", frozen=True):
    """The next of its policies, read and checked: see `callout.config.records`."""

    records: bytes


class BundleEnds(msgspec.Struct, tag="end", frozen=True):
    """That was all of it: decide by it."""


class NewCertificates(msgspec.Struct, tag="certificates", frozen=True):
    """The certificate files, read and judged once for all workers."""

    certificates: Certificates


class Drain(msgspec.Struct, tag="drain", frozen=True):
    """Finish what is in flight and go."""

    seconds: float
    succeeded: bool = False
    """Whether another process answers in its place: health says so no longer otherwise."""


OfBundle: TypeAlias = BundleComes | BundleFile | BundlePolicies | BundleEnds


class Level(msgspec.Struct, tag="level", frozen=True):
    """Log from this level on."""

    level: str


ToWorker: TypeAlias = Start | OfBundle | NewCertificates | Drain | Question | Level


class Listening(msgspec.Struct, tag="listening", frozen=True):
    """The worker accepts connections; health says NOT_SERVING until it has a bundle."""


class Loaded(msgspec.Struct, tag="loaded", frozen=True):
    """The worker decides by this bundle from now on."""

    digest: str


class Leaving(msgspec.Struct, tag="leaving", frozen=True):
    """The worker was sent SIGTERM: it goes when another one has taken its place."""


class Refused(msgspec.Struct, tag="refused", frozen=True):
    """The worker could not use the bundle; it decides by what it had."""

    digest: str
    problems: list[str]


class Counted(msgspec.Struct, tag="counted", frozen=True):
    """What the worker has counted of rules since it told last."""

    grown: Grown


FromWorker: TypeAlias = Listening | Loaded | Refused | Answer | Leaving | Counted

_encoder = msgspec.msgpack.Encoder()
_to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
_from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


PIECE_BYTES = 64 * 1024
"""Of a file in one message: reading one must not keep a worker from answering, and a bundle of
many megabytes in one message does, for tens of milliseconds."""


def of_bundle(bundle: Bundle, policies: Sequence[Policy]) -> Iterator[OfBundle]:
    """A bundle as messages, in pieces."""
    yield BundleComes(bundle.digest)
    for path, data in bundle.files.items():
        for start in range(0, len(data), PIECE_BYTES) or (0,):
            yield BundleFile(path, data[start : start + PIECE_BYTES])
    for batch in records.batches(policies):
        yield BundlePolicies(batch)
    yield BundleEnds()


def encode(message: ToWorker | FromWorker) -> bytes:
    """One message, for the control channel."""
    return _encoder.encode(message)


def to_worker(data: bytes) -> ToWorker:
    """Reads what the supervising process said."""
    return _to_worker.decode(data)


def from_worker(data: bytes) -> FromWorker:
    """Reads what a worker said."""
    return _from_worker.decode(data)
