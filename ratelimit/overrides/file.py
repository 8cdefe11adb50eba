"""Reads a file of overrides, from a value to its rate.

`acme: 1000/min`, `"trial-*": [1/s, 100/h]`, `internal: unlimited`.
"""

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import msgspec
import pydantic

from callout.config import yaml
from callout.config.bundle import Bundle
from callout.config.pace import breathe
from callout.config.problems import Problem, Rejected, describe
from callout.config.source import Source
from callout.config.validate import validate
from ratelimit.limits import Limit, rate
from ratelimit.overrides.table import Entry, Networks, Overrides, Table, Texts
from ratelimit.policy_limits import Rates

UNLIMITED = "unlimited"
MOST_PROBLEMS = 100
"""Of one file; beyond it a person would not read on."""


class Rate(NamedTuple):
    """One that the file writes, perhaps for many values."""

    windows: tuple[str, ...]
    """`100/min`; none: unlimited."""


class Values(NamedTuple):
    """What a file says, before any limit uses it."""

    file: str
    table: Table
    rates: Sequence[Rate]
    """By `Entry.rate`."""

    made: dict[tuple[str, str], Overrides]
    """What `of` made: thousands of policies may inherit one limit."""

    def of(self, by: str, limit: str) -> Overrides:
        """For the limit of this name; `by`: what its values are."""
        made = self.made.get((by, limit))
        if made is None:
            limits = [[_limit(each, limit) for each in written.windows] for written in self.rates]
            made = self.made[by, limit] = Overrides(by, self.file, self.table, limits)
        return made


def _limit(text: str, name: str) -> Limit:
    made = rate(text, name)
    assert isinstance(made, Limit), "validated"  # noqa: S101
    return made


class _Written(pydantic.RootModel[Rates]):
    """The value of one entry, but `unlimited`."""

    model_config = pydantic.ConfigDict(strict=True, frozen=True)


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
        self._rates: dict[Rate, int] = {}
        self._known: dict[Hashable, int] = {}
        self._problems: list[Problem] = []

    def read(self) -> Values | Rejected:
        """All of them."""
        keys = self._source.origin.keys
        for text, written in self._source.value.items():
            entry = Entry(self._rate(text, written), keys[text].line)
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
        return Values(self._path, self._table, tuple(self._rates), {})

    def _problem(self, text: str, message: str) -> None:
        self._problems.append(self._source.problem((text,), message, key=True))

    def _rate(self, text: str, written: Any) -> int:
        # A hundred thousand customers have a few dozen rates: each is checked once.
        key = written if isinstance(written, str) else msgspec.json.encode(written)
        known = self._known.get(key)
        if known is not None:
            return known
        if written == UNLIMITED:
            read = Rate(())
        else:
            checked = validate(_Written, self._source.at(text))
            if isinstance(checked, Rejected):
                self._problems += checked.problems
                return 0
            windows = checked.root
            read = Rate((windows,) if isinstance(windows, str) else windows)
        return self._known.setdefault(key, self._rates.setdefault(read, len(self._rates)))
