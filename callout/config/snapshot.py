"""Files to a Snapshot, or to all problems: the one loader of `serve`, `up` and `check`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from callout.config import documents
from callout.config.bundle import Bundle
from callout.config.documents import Policy
from callout.config.effective import Compiler
from callout.config.merge import merge
from callout.config.pace import breathe
from callout.config.policies import PolicyIndex
from callout.config.problems import Problem, Rejected, in_order
from callout.config.section import Section
from callout.config.source import Source


@dataclass(frozen=True)
class Snapshot:
    """Everything that decides, at one moment: immutable, swapped with one assignment."""

    digest: str
    """Of the bundle that it was made from."""
    policies: PolicyIndex
    parts: Mapping[str, object]
    """What each section made of the bundle as a whole, by its key."""
    warnings: tuple[Problem, ...]
    """What its author should look at, although it works as written."""


def build(bundle: Bundle, sections: Sequence[Section]) -> Snapshot | Rejected:
    """Reads, checks and compiles a bundle. Pure: the same bundle gives the same result.

    Returns:
        All problems of all files at once, warnings included, if there is any error.
    """
    return compiled(bundle, documents.read(bundle, [each.key for each in sections]), sections)


def compiled(
    bundle: Bundle, read: documents.Documents, sections: Sequence[Section]
) -> Snapshot | Rejected:
    """Checks and compiles a bundle whose documents were read before; see `build`."""
    problems = list(read.problems)
    if not any(path.endswith((".yaml", ".yml")) for path in bundle.files):
        # An empty mount must not replace what works.
        problems.append(Problem(".", 0, 0, "", "expected YAML files, found none"))
    warnings = in_order(documents.doubts(read.policies))
    made = _assembled(bundle, read.policies, sections, warnings)
    if isinstance(made, Rejected):
        problems += made.problems
    for source in read.headless:
        problems += _of_blocks(source, sections, bundle)
    if problems or isinstance(made, Rejected):
        return Rejected(in_order([*problems, *warnings]))
    return made


def _of_blocks(source: Source, sections: Sequence[Section], bundle: Bundle) -> list[Problem]:
    """What is wrong with the blocks of a document whose head is wrong, so that all is told at once.

    Which policies it would be merged with is not known: a field that it does not write may come
    from one of these.
    """
    problems: list[Problem] = []
    for section in sections:
        unions = {(section.key, *path) for path in section.unions}
        block = merge([source.only((section.key,))], unions).at(section.key)
        if block.value is None:
            continue
        found = section.compile_block(block, bundle)
        if isinstance(found, Rejected):
            lacking = _lacking(section.key, block.value)
            problems += [each for each in found.problems if not lacking(each)]
    return problems


def _lacking(key: str, block: object) -> Callable[[Problem], bool]:
    written = {f"{key}.{each}" for each in block} if isinstance(block, dict) else set()

    def lacking(problem: Problem) -> bool:
        head, dot, field = problem.path.partition(".")
        return head == key and bool(dot) and field.isidentifier() and problem.path not in written

    return lacking


def rebuilt(
    bundle: Bundle, policies: Sequence[Policy], sections: Sequence[Section]
) -> Snapshot | Rejected:
    """Compiles policies that another process has read and checked: see `records`."""
    return _assembled(bundle, policies, sections, ())


def _assembled(
    bundle: Bundle,
    policies: Sequence[Policy],
    sections: Sequence[Section],
    warnings: tuple[Problem, ...],
) -> Snapshot | Rejected:
    problems: list[Problem] = []
    by_name = sorted(policies, key=lambda each: each.name)
    breathe()
    index = PolicyIndex(policies, Compiler(by_name, sections, bundle))
    for effective in index.compile_all():
        problems += effective.invalid
        breathe()
    parts: dict[str, object] = {}
    for section in sections:
        part = section.compile_part(bundle, index.sources)
        if isinstance(part, Rejected):
            problems += part.problems
        else:
            parts[section.key] = part
        breathe()
    if problems:
        return Rejected(tuple(problems))
    return Snapshot(bundle.digest, index, MappingProxyType(parts), warnings)
