"""What is doubtful in files of envoyproxy/ratelimit: they load, and do not do what they seem to.

The three traps are those of its matching: the first that fits an entry is taken and never left
again, and it names rules and counters by keys and values glued together with `_`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callout.config import yaml
from callout.config.problems import Problem, Rejected
from callout.config.source import Source
from ratelimit.rules import Wildcard

_NOWHERE = "\U0010ffff"
"""A character that Unicode gives to nobody."""


@dataclass(frozen=True, slots=True)
class _Written:
    """One descriptor of a file."""

    source: Source
    key: str
    value: str
    """Empty: any."""
    limited: bool
    """It has a `rate_limit` that refuses."""
    decides: bool
    """It has a `rate_limit`, though it be `unlimited`."""
    below: "Sequence[_Written]"

    @property
    def name(self) -> str:
        return f"`{self.key}: {self.value}`" if self.value else f"`{self.key}`"

    @property
    def place(self) -> str:
        mark = self.source.mark
        return f"{mark.file}:{mark.line}"

    @property
    def glued(self) -> str:
        return f"{self.key}_{self.value}" if self.value else self.key

    @property
    def wild(self) -> bool:
        return "*" in self.value


def doubts(files: Mapping[str, bytes]) -> Iterator[Problem]:
    """Warnings about files that load.

    Args:
        files: content by name, as `domains.load` takes them.
    """
    domains: dict[str, list[_Written]] = {}
    for name in sorted(files):
        if not name.endswith((".yaml", ".yml")):
            continue
        documents = yaml.parse(name, files[name])
        for document in () if isinstance(documents, Rejected) else documents:
            # Those of several files are one level, in the order in which they are read.
            found = domains.setdefault(_text(document.at("domain").value), [])
            found += _descriptors(document)
    for domain, top in domains.items():
        yield from _of_siblings(top)
        yield from _one_counter(domain, top)


def _descriptors(source: Source) -> list[_Written]:
    found = []
    listed = source.at("descriptors").value
    for index in range(len(listed) if isinstance(listed, list) else 0):
        each = source.at("descriptors", index)
        if isinstance(each.value, Mapping):
            limit = each.at("rate_limit").value
            found.append(
                _Written(
                    each,
                    _text(each.value.get("key")),
                    _text(each.value.get("value")),
                    limit is not None and not each.at("rate_limit", "unlimited").value,
                    limit is not None,
                    _descriptors(each),
                )
            )
    return found


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _of_siblings(siblings: Sequence[_Written]) -> Iterator[Problem]:
    yield from _glued(siblings)
    by_key: dict[str, list[_Written]] = {}
    for each in siblings:
        by_key.setdefault(each.key, []).append(each)
        yield from _of_siblings(each.below)
    for same in by_key.values():
        yield from _of_one_key(same)


def _of_one_key(same: Sequence[_Written]) -> Iterator[Problem]:
    # Values as they are written may be ten thousand: each is compared with the wildcards only.
    wild = [(each, Wildcard(each.value)) for each in same if each.wild]
    any_value = [each for each in same if not each.value]
    wildcards = 0
    for each in same:
        before: Sequence[tuple[_Written, Wildcard]] = ()
        behind: Sequence[tuple[_Written, Wildcard]] = wild
        sample = each.value
        if each.wild:
            before, behind = wild[:wildcards], wild[wildcards + 1 :]
            wildcards += 1
            sample = _sample(each.value)
        elif not each.value:
            before, behind = wild, ()
            sample = _sample("*")
        hidden = next((other for other, pattern in before if pattern.matches(sample)), None)
        if hidden is not None:
            yield _doubt(
                each,
                f"never applies: {hidden.name} ({hidden.place}) takes all of its values",
            )
        elif each.value:
            wider = [other for other, pattern in behind if pattern.matches(sample)]
            yield from _hides(each, [*wider, *any_value])


def _sample(wildcard: str) -> str:
    """A value that another wildcard only matches if it matches all that this one does.

    What no pattern has can only be met by a `*`, and then so can any text in its place.
    """
    return wildcard.replace("*", _NOWHERE)


def _hides(each: _Written, behind: Sequence[_Written]) -> Iterator[Problem]:
    """What a rule takes away from a wider one, since the walk never turns back.

    One without a limit and without anything below lets its value pass on purpose: no doubt.
    """
    for other in behind:
        if not each.decides and each.below and other.limited:
            yield _doubt(
                each,
                f"the limit of {other.name} ({other.place}) does not hold for what ends here:"
                " there is no `rate_limit`, and the search never turns back",
            )
            return
        if each.limited and not each.below and other.below:
            yield _doubt(
                each,
                f"the rules below {other.name} ({other.place}) do not hold for what goes on after"
                " this: there is nothing below, and the search never turns back",
            )
            return


def _glued(siblings: Sequence[_Written]) -> Iterator[Problem]:
    first: dict[str, _Written] = {}
    for each in siblings:
        other = first.setdefault(each.glued, each)
        if (other.key, other.value) != (each.key, each.value):
            yield _doubt(
                each,
                f"envoyproxy/ratelimit takes it for {other.name} ({other.place}) and refuses the"
                " file: it glues key and value together",
            )
        if "*" in each.key:
            yield _doubt(each, "to envoyproxy/ratelimit the `*` in its key is a wildcard")


def _one_counter(domain: str, top: Sequence[_Written]) -> Iterator[Problem]:
    """Limits whose counters have one name there; siblings are told already."""
    first: dict[str, tuple[_Written, tuple[tuple[str, str], ...]]] = {}

    def walk(level: Sequence[_Written], path: tuple[tuple[str, str], ...]) -> Iterator[Problem]:
        for each in level:
            if not each.value or each.wild:
                continue  # what it will be called is not known
            here = (*path, (each.key, each.value))
            if each.limited:
                name = "_".join(f"{key}_{value}" for key, value in here)
                other, where = first.setdefault(name, (each, here))
                if where != here and where[:-1] != path:
                    yield _doubt(
                        each,
                        f"envoyproxy/ratelimit counts it together with {other.name}"
                        f" ({other.place}): both counters are `{domain}_{name}`",
                    )
            yield from walk(each.below, here)

    yield from walk(top, ())


def _doubt(each: _Written, message: str) -> Problem:
    return each.source.problem((), message, severity="warning")
