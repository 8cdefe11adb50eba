"""@pm, @pmFromFile (@pmf) and @pmFromDataset."""

import re
from typing import Final

from waf.operators.contract import Sought, Surroundings, Test
from waf.operators.files import lines, named, names
from waf.operators.literals import any_of

_HEXADECIMAL: Final = re.compile(rb"\|((?:[0-9a-fA-F]{2} ?)+)\|")
_WORD: Final = re.compile(rb"(?:\|(?:[0-9a-fA-F]{2} ?)+\||\S)+")


def pm(argument: bytes, around: Surroundings) -> Test:
    """Match values in which one of many words stands, ASCII letters of either case.

    Argument: words with white space between them; `|41 0a|` are bytes as in rules of Snort.
    Returns: the part of the value that is the word. 0.5 us for a short value.
    Example: `@pm sleep benchmark waitfor`.
    Differences: Coraza does not read `|...|`. ModSecurity returns the word as the rule writes it.
    """
    return _seeking([_HEXADECIMAL.sub(_bytes, word) for word in _WORD.findall(argument)], around)


def _bytes(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode())


def pm_from_file(argument: bytes, around: Surroundings) -> Test:
    """Match as @pm does, with a word or phrase in each line of a file.

    Argument: names of files, relative to that of the rule; lines that begin with `#` are comments.
    Returns: as @pm.
    Example: `@pmFromFile unix-shell.data`.
    Differences: ModSecurity fetches `https://` names; here files only.
    """
    words = [line for name in names(argument) for line in lines(around.read(name))]
    return _seeking(words, around)


def pm_from_dataset(argument: bytes, around: Surroundings) -> Test:
    """Match as @pm does, with a word or phrase in each line of a SecDataset.

    Argument: the name of the dataset.
    Returns: as @pm.
    Example: `@pmFromDataset shells`.
    Differences: of Coraza; ModSecurity has none.
    """
    return _seeking(lines(around.dataset(named(argument))), around)


def _seeking(words: list[bytes], around: Surroundings) -> Test:
    test = any_of(words)
    around.seek(Sought(words=tuple(words)))
    return test
