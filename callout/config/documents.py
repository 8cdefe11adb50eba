"""The documents of a bundle: today its Policies, each checked as far as it stands alone."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, TypeAlias

import pydantic

from callout.config.bundle import COMPILED, Bundle
from callout.config.merge import named_items
from callout.config.patterns import Entry, On
from callout.config.problems import Problem, Rejected, describe
from callout.config.source import Source, Step
from callout.config.validate import Block, suggest, validate
from callout.config.yaml import parse
from callout.http.path import PathRules

Mode: TypeAlias = Literal["off", "shadow", "enforce"]

RATE_LIMITS: Final = "ratelimit/"
"""The folder of envoyproxy/ratelimit's files, which are no documents."""
LATER_KINDS: Final = ("Callout", "Layer", "Release")
NAME: Final = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$"
"""Policy names stand in metrics, logs and metadata."""


class PathBlock(Block):
    """A Policy's `path`: what it lets paths be, beyond the canonical form."""

    dot_segments: Literal["refuse", "resolve"] = pydantic.Field("refuse", alias="dotSegments")
    allow: tuple[Literal["encodedSlash", "encodedBackslash"], ...] = ()

    def rules(self) -> PathRules:
        """As `callout.http.path` wants them."""
        return PathRules(self.dot_segments, frozenset(self.allow))


class Common(Block):
    """What policies say beside their sections' blocks, and merge like them."""

    mode: Mode = "enforce"
    path: PathBlock | None = None

    def rules(self) -> PathRules:
        """The strictest, if nothing is said."""
        return PathRules() if self.path is None else self.path.rules()


class _Head(Block):
    """A Policy as written, without its sections' blocks. `null` is for the merge."""

    api_version: Literal["bundle/v1"] = pydantic.Field(alias="apiVersion")
    kind: Literal["Policy"]
    name: Annotated[str, pydantic.Field(pattern=NAME)]
    on: Annotated[tuple[On, ...], pydantic.Field(min_length=1)] | None = None
    mode: Mode | None = None
    path: PathBlock | None = None


_HEAD: Final = ("apiVersion", "kind", "name", "on", "mode", "path")


@dataclass(frozen=True, slots=True)
class Policy:
    """One Policy document."""

    name: str
    source: Source
    """The whole document."""
    entries: tuple[Entry, ...]
    """None: it applies only where trusted route configuration names it."""
    rules: PathRules
    """What it says about paths by itself, not merged."""


@dataclass(slots=True)
class Documents:
    """What was read of a bundle; with errors, as much as could be."""

    policies: list[Policy] = field(default_factory=list)
    """In the order of the files, and within them."""
    problems: list[Problem] = field(default_factory=list)
    headless: list[Source] = field(default_factory=list)
    """Documents whose head is wrong: their blocks can be checked even so."""


def read(bundle: Bundle, sections: Collection[str]) -> Documents:
    """Reads all documents of a bundle.

    A YAML file in the bundle's root has documents only. One in a folder may be a file that a
    document names (a key list), so there only what has `apiVersion` or `kind` is a document.

    Args:
        bundle: the files.
        sections: the keys of the blocks that a Policy may have.
    """
    result = Documents()
    for path, data in bundle.files.items():
        if not path.endswith((".yaml", ".yml")) or path.startswith((RATE_LIMITS, COMPILED)):
            continue
        sources = parse(path, data)
        if isinstance(sources, Rejected):
            result.problems += sources.problems
            continue
        for source in sources:
            if "/" not in path or _is_document(source.value):
                _read_document(source, sections, result)
    _check_names(result)
    return result


def _is_document(value: Any) -> bool:
    return isinstance(value, dict) and ("apiVersion" in value or "kind" in value)


def _read_document(source: Source, sections: Collection[str], result: Documents) -> None:
    value = source.value
    if not isinstance(value, dict):
        result.problems.append(
            source.problem((), f"expected a document with apiVersion, found {describe(value)}")
        )
        return
    kind = value.get("kind")
    if isinstance(kind, str) and kind != "Policy":
        if kind in LATER_KINDS:
            message = f"expected the kind Policy, found {kind}: this version does not know it yet"
            hint = ""
        else:
            message = f"expected the kind Policy, found {describe(kind)}"
            hint = suggest(kind, ["Policy"])
        result.problems.append(source.problem(("kind",), message, hint))
        return
    known = {*_HEAD, *sections}
    for key in value:
        if key not in known:
            message = f"expected one of {', '.join(sorted(known))}; found an unknown key"
            hint = suggest(key, known)
            result.problems.append(source.problem((key,), message, hint, key=True))
    result.problems += _repeated_names(source)
    name = value.get("name")
    source = Source(value, source.origin, (), name if isinstance(name, str) else "")
    head = validate(_Head, source.only(_HEAD))
    if isinstance(head, Rejected):
        result.problems += head.problems
        result.headless.append(source)
        return
    entries = tuple(Entry.of(each) for each in head.on or ())
    rules = head.path.rules() if head.path is not None else PathRules()
    result.policies.append(Policy(head.name, source, entries, rules))


def _repeats_a_name(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_repeats_a_name(each) for each in value.values())
    if not isinstance(value, list):
        return False
    names = named_items(value)
    return (names is not None and len(set(names)) < len(names)) or any(
        _repeats_a_name(each) for each in value
    )


def _repeated_names(source: Source) -> list[Problem]:
    """Items of one list that have the same name: a merge could not tell them apart."""
    if not _repeats_a_name(source.value):
        return []
    problems: list[Problem] = []
    waiting: list[tuple[tuple[Step, ...], Any]] = [((), source.value)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [((*path, key), each) for key, each in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, index), each) for index, each in enumerate(value)]
            seen: set[str] = set()
            for index, name in enumerate(named_items(value) or ()):
                if name in seen:
                    message = f"expected each name once, found {name!r} again"
                    problems.append(source.problem((*path, index, "name"), message))
                seen.add(name)
    return problems


def _check_names(result: Documents) -> None:
    first: dict[str, Policy] = {}
    for policy in result.policies:
        other = first.setdefault(policy.name, policy)
        if other is not policy:
            mark = other.source.at("name").mark
            message = (
                f"expected each policy once, found {policy.name!r} again "
                f"(first in {mark.file}:{mark.line})"
            )
            result.problems.append(policy.source.problem(("name",), message))
    result.policies = [each for each in result.policies if first[each.name] is each]


def doubts(policies: Collection[Policy]) -> list[Problem]:
    """What can be used as written, and yet cannot have been meant."""
    allowed = frozenset().union(*(each.rules.allow for each in policies))
    rules = PathRules("refuse", allowed)
    found: list[Problem] = []
    for policy in policies:
        seen: set[Entry] = set()
        for index, entry in enumerate(policy.entries):
            if entry in seen:
                message = "says what an entry before it says already"
                found.append(policy.source.problem(("on", index), message, severity="warning"))
            seen.add(entry)
            found += [
                policy.source.problem(("on", index, *path), message, hint, "warning")
                for path, message, hint in entry.doubts(rules)
            ]
    return found
