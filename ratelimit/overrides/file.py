"""Reads a file of overrides, from a value to its rate.

`acme: 1000/min`, `"trial-*": [1/s, 100/h]`, `internal: unlimited`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple
from weakref import WeakKeyDictionary

import msgspec
import pydantic

from callout.config import yaml
from callout.config.bundle import Bundle
from callout.config.pace import breathe
from callout.config.problems import Problem, Rejected, describe
from callout.config.source import Source
from callout.config.validate import Block, validate
from ratelimit.limits import MOST_REQUESTS, Limit, rate
from ratelimit.overrides.table import Entry, Networks, Overrides, Rate, Table, Texts
from ratelimit.policy_limits import Rate as OneRate
from ratelimit.policy_limits import Rates

UNLIMITED = "unlimited"
MOST_PROBLEMS = 100
"""Of one file; beyond it a person would not read on."""


class Written(NamedTuple):
    """A rate as the file has it, perhaps for many values."""

    windows: tuple[str, ...]
    """`100/min`; none: unlimited."""
    burst: int | None = None


class Values(NamedTuple):
    """What a file says, before any limit uses it."""

    file: str
    table: Table
    rates: Mapping[Written, int]
    """In the order of `Entry.rate`, each with the first line that has it."""

    made: dict[tuple[str, str], Overrides]
    """What `of` made: thousands of policies may inherit one limit."""

    def of(self, by: str, limit: str) -> Overrides:
        """For the limit of this name; `by`: what its values are."""
        made = self.made.get((by, limit))
        if made is None:
            rates = [
                Rate(
                    [_limit(each, limit) for each in written.windows],
                    written.burst,
                    f"{self.file}:{line}",
                )
                for written, line in self.rates.items()
            ]
            made = self.made[by, limit] = Overrides(by, self.file, self.table, rates)
        return made


def _limit(text: str, name: str) -> Limit:
    made = rate(text, name)
    assert isinstance(made, Limit), "validated"  # noqa: S101
    return made


class _Plain(pydantic.RootModel[Rates]):
    """The value of one entry, but `unlimited`."""

    model_config = pydantic.ConfigDict(strict=True, frozen=True)


class _Bucket(Block):
    """The value of one entry of a limit with `algorithm: token-bucket`."""

    rate: OneRate
    burst: Annotated[int, pydantic.Field(ge=0, le=MOST_REQUESTS)]


class OverrideFiles:
    """The files of a bundle, each read once although thousands of policies may name it.

    What was read lives as long as the bundle does.
    """

    def __init__(self) -> None:
        self._read: WeakKeyDictionary[Bundle, dict[tuple[str, bool], Values | Rejected]]
        self._read = WeakKeyDictionary()

    def read(self, bundle: Bundle, path: str, addresses: bool) -> Values | Rejected | None:
        """The file at `path`, for values that are addresses or texts; None: there is none."""
        data = bundle.read(path)
        if data is None:
            return None
        known = self._read.setdefault(bundle, {})
        found = known.get((path, addresses))
        if found is None:
            found = known[path, addresses] = parse(path, data, addresses)
        return found


def parse(path: str, data: bytes, addresses: bool) -> Values | Rejected:
    """What the file says, or everything that is wrong with it."""
    documents = yaml.parse(path, data)
    if isinstance(documents, Rejected):
        return documents
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        found = describe(documents[0].value) if len(documents) == 1 else f"{len(documents)} of them"
        message = f"expected one document, a mapping of values to rates, found {found}"
        return Rejected((Problem(path, 0, 0, "", message),))
    return _Reader(path, documents[0], addresses).read()


class _Reader:
    """Walks over the entries of one file."""

    def __init__(self, path: str, source: Source, addresses: bool) -> None:
        self._path = path
        self._source = source
        self._table: Table = Networks() if addresses else Texts()
        self._rates: dict[Written, int] = {}
        """The first line of each."""
        self._number: dict[Written, int] = {}
        self._places: dict[str | bytes, int] = {}
        """`Entry.rate` by what is written."""
        self._problems: list[Problem] = []

    def read(self) -> Values | Rejected:
        """All of them."""
        keys = self._source.origin.keys
        for text, written in self._source.value.items():
            line = keys[text].line
            entry = Entry(self._rate(text, written, line), line)
            put = self._table.put(text, entry)
            if isinstance(put, str):
                self._problem(text, f"{put}, found {text[:200]!r}")
            elif put is not entry:
                message = f"expected each once, found it again (first in line {put.line})"
                self._problem(text, message)
            if len(self._problems) >= MOST_PROBLEMS:
                break
            breathe()
        if self._problems:
            return Rejected(tuple(self._problems))
        return Values(self._path, self._table, self._rates, {})

    def _problem(self, text: str, message: str) -> None:
        self._problems.append(self._source.problem((text,), message, key=True))

    def _rate(self, text: str, written: Any, line: int) -> int:
        # A hundred thousand customers have a few dozen rates: each is checked once.
        key = written if isinstance(written, str) else msgspec.json.encode(written)
        place = self._places.get(key)
        if place is None:
            rate = self._checked(text, written)
            if isinstance(rate, Rejected):
                self._problems += rate.problems
                return 0
            if rate not in self._rates:
                self._rates[rate] = line
            place = self._places[key] = self._number.setdefault(rate, len(self._number))
        return place

    def _checked(self, text: str, written: Any) -> Written | Rejected:
        if written == UNLIMITED:
            return Written(())
        if isinstance(written, dict):
            bucket = validate(_Bucket, self._source.at(text))
            if isinstance(bucket, Rejected):
                return bucket
            return Written((bucket.rate,), bucket.burst)
        plain = validate(_Plain, self._source.at(text))
        if isinstance(plain, Rejected):
            return plain
        windows = plain.root
        return Written((windows,) if isinstance(windows, str) else windows)
