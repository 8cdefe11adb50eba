"""Reads the bundle's folder `ratelimit/`: files as envoyproxy/ratelimit takes them.

https://github.com/envoyproxy/ratelimit#configuration. What that service refuses is refused in its
words, with a place; all of it at once, where it stops at the first mistake.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import yaml as pyyaml

from callout.config import yaml
from callout.config.problems import Problem, Rejected
from callout.config.source import Source
from ratelimit.descriptors import Reader, not_known
from ratelimit.rules import JoinedNode, Node, Tree

OWN_DOMAIN = "gatewright"
"""The domain of the policies' own limits; no file may claim it."""


def load(
    files: Mapping[str, bytes], *, merge: bool = False, joined: bool = False, calendar: bool = False
) -> dict[str, Tree] | Rejected:
    """The rules of each domain, or everything that is wrong with the files.

    Args:
        files: content by name; only `.yaml` and `.yml` are read, in the order of their names.
        merge: see `build`.
        joined: see `build`.
        calendar: see `build`.
    """
    documents: list[Source] = []
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for name in sorted(files):
        if not name.endswith((".yaml", ".yml")):
            continue
        read = yaml.parse(name, files[name])
        if isinstance(read, Rejected):
            problems += [_in_its_words(each, files[name]) for each in read.problems]
        elif read:
            documents += read
            texts[name] = files[name].decode("utf-8-sig")
        else:
            problems.append(Problem(name, 0, 0, "", "config file cannot have empty domain"))
    built = build(documents, texts, merge=merge, joined=joined, calendar=calendar)
    if isinstance(built, Rejected):
        problems += built.problems
    if problems or isinstance(built, Rejected):
        return Rejected(tuple(problems))
    return built


def build(
    documents: Iterable[Source],
    texts: Mapping[str, str] | None = None,
    *,
    merge: bool = False,
    joined: bool = False,
    calendar: bool = False,
) -> dict[str, Tree] | Rejected:
    """The rules of each domain, from documents wherever they come from.

    Args:
        documents: each a domain, as it is written in YAML.
        texts: the files, by the name that their documents carry: a number or a boolean that
            stands for a text is taken from there as it was written.
        merge: a domain may be in several documents; their rules are put together.
        joined: rules are found by `key_value` glued together, with all that this confuses, as
            envoyproxy/ratelimit finds them.
        calendar: a month is that of the calendar (UTC) and no 30 days, as that service counts with
            USE_CALENDAR_MONTH_RATE_LIMIT.
    """
    trees: dict[str, Tree] = {}
    problems: list[Problem] = []
    # Once for each file, not for each of its documents.
    lines = {name: text.split("\n") for name, text in (texts or {}).items()}
    for document in documents:
        unknown = not_known(document)
        if unknown:
            # What the rest means can only be guessed.
            problems += unknown
            continue
        text = lines.get(document.mark.file, ())
        reader = Reader(document, text, joined=joined, calendar=calendar)
        domain = reader.domain()
        if domain is not None:
            problem = _claim(document, domain, trees, merge=merge)
            if problem is not None:
                problems.append(problem)
                continue
            if domain not in trees:
                root = JoinedNode() if joined else Node()
                trees[domain] = Tree(domain, root, calendar=calendar)
            reader.descriptors(trees[domain].root, domain)
        problems += reader.problems
    return Rejected(tuple(problems)) if problems else trees


def _claim(
    document: Source, domain: str, trees: Mapping[str, Tree], *, merge: bool
) -> Problem | None:
    if domain == OWN_DOMAIN:
        message = f"the domain `{OWN_DOMAIN}` is that of the policies' own `limits`: use another"
        return document.problem(("domain",), message)
    if domain in trees and not merge:
        return document.problem(("domain",), f"duplicate domain '{domain}' in config file")
    return None


_KEY_NOT_TEXT: Final = re.compile(r"expected a key that is text, found (?:the number )?(.*)")


def _in_its_words(problem: Problem, data: bytes) -> Problem:
    """What our reader of YAML refuses, as envoyproxy/ratelimit says it where it does too."""
    message = problem.message
    key = _KEY_NOT_TEXT.fullmatch(message)
    if key is not None:
        message = f"config error, key is not of type string: {key[1]}"
    elif message.startswith("expected YAML, found a mistake"):
        message = f"error loading config file: yaml: {_go_yaml(data)}"
    else:
        message = f"error loading config file: {message}"
    return Problem(problem.file, problem.line, problem.column, problem.path, message)


def _go_yaml(data: bytes) -> str:
    """A mistake of syntax in the words of go-yaml, which is a port of the same libyaml.

    It names the line where what is broken began, and the next one for what its scanner finds;
    of something that begins in the first line, that of the mistake.
    """
    try:
        for _ in pyyaml.parse(data.decode("utf-8-sig"), Loader=pyyaml.CSafeLoader):
            pass
    except pyyaml.MarkedYAMLError as error:
        marks: Sequence[pyyaml.Mark | None] = (error.context_mark, error.problem_mark)
        lines = [mark.line for mark in marks if mark is not None and mark.line]
        scanner = isinstance(error, pyyaml.scanner.ScannerError)
        where = f"line {lines[0] + scanner}: " if lines else ""
        return f"{where}{error.problem}"
    return "a mistake"
