"""What the tests of this folder share: sources from text, sections that only remember."""

import textwrap
from collections.abc import Sequence
from typing import Any

from callout.config.bundle import Bundle
from callout.config.policies import Effective, PolicyIndex
from callout.config.problems import Problem, Rejected
from callout.config.section import Section
from callout.config.snapshot import Snapshot, build
from callout.config.source import Source
from callout.config.validate import Block, validate
from callout.config.yaml import parse


def source(text: str, policy: str = "", file: str = "test.yaml") -> Source:
    """The only document of a text."""
    found = parse(file, textwrap.dedent(text).encode())
    assert isinstance(found, list), [str(each) for each in found.problems]
    (only,) = found
    return Source(only.value, only.origin, (), policy)


def lines(rejected: object) -> list[str]:
    """Problems as a person reads them."""
    assert isinstance(rejected, Rejected), rejected
    return [str(each) for each in rejected.problems]


class Auth(Section):
    """Gives the merged block back; counts how often it was asked."""

    key = "auth"
    unions = frozenset({("decide",)})

    def __init__(self) -> None:
        self.compiled: list[Any] = []

    def compile_block(self, block: Source, bundle: Bundle) -> object | Rejected:
        self.compiled.append(block.value)
        if not isinstance(block.value, dict):
            return Rejected((block.problem((), "expected a mapping"),))
        if "wrong" in block.value:
            return Rejected((block.problem(("wrong",), "expected nothing of the kind"),))
        return block.value

    def compile_part(self, bundle: Bundle, policies: Sequence[Source]) -> object | Rejected:
        return tuple(each.value["name"] for each in policies)


class Limit(Block):
    name: str
    rate: str | None = None
    off: bool = False


class Limits(Section):
    """A list of named items that must have a rate unless they are off."""

    key = "limits"

    def compile_block(self, block: Source, bundle: Bundle) -> object | Rejected:
        problems: list[Problem] = []
        rates: dict[str, str] = {}
        for index, _ in enumerate(block.value):
            item = validate(Limit, block.at(index))
            if isinstance(item, Rejected):
                problems += item.problems
            elif not item.off and item.rate is None:
                problems.append(block.problem((index,), "expected a rate, found none"))
            elif not item.off:
                rates[item.name] = str(item.rate)
        return Rejected(tuple(problems)) if problems else rates

    def compile_part(self, bundle: Bundle, policies: Sequence[Source]) -> object | Rejected:
        return None


def policy(name: str, rest: str = "") -> str:
    """A Policy document; `rest` is indented as it likes."""
    return f"apiVersion: bundle/v1\nkind: Policy\nname: {name}\n{textwrap.dedent(rest).strip()}\n"


def built(*documents: str, **files: str) -> Snapshot | Rejected:
    """A snapshot of documents in one file, and of other files."""
    contents = {"test.yaml": "---\n".join(documents), **files}
    data = {path: text.encode() for path, text in contents.items()}
    return build(Bundle(data), [Auth(), Limits()])


def index(*documents: str) -> PolicyIndex:
    """The policies of a good bundle."""
    snapshot = built(*documents)
    assert isinstance(snapshot, Snapshot), lines(snapshot)
    return snapshot.policies


def names(effective: object) -> tuple[str, ...]:
    """Of the policies that apply; nothing for None."""
    if effective is None:
        return ()
    assert isinstance(effective, Effective)
    return effective.names
