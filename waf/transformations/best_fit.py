"""Which ASCII character Windows takes for one that its code page 20127 (US-ASCII) lacks."""

import re
import unicodedata
from typing import Final

_PUNCTUATION: Final = {
    "!": "\u00a1",
    '"': "\u02ba\u030e\u201c\u201d\u201e",
    "$": "\u00a4",
    "'": "\u02b9\u02bc\u02c8\u2018\u2019\u2032",
    ",": "\u00b8\u201a",
    "-": "\u00ad\u2010\u2011\u2013\u2014",
    ".": "\u00b7\u2022\u2026",
    "<": "\u00ab\u2039",
    ">": "\u00bb\u203a",
    "^": "\u02c4\u02c6\u0302",
    "_": "\u02cd\u0331\u0332",
    "`": "\u02cb\u0300\u2035",
    "|": "\u00a6",
    "~": "\u02dc\u0303",
    " ": "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006",
}
_LETTERS: Final = {
    "A": "\u00c6", "C": "\u00a9", "D": "\u00d0\u0189", "O": "\u0152", "R": "\u00ae", "T": "\u2122",
    "Y": "\u00a5", "a": "\u00aa\u00e6", "c": "\u00a2", "g": "\u0261", "i": "\u0131",
    "o": "\u00ba\u0153", "1": "\u00b9", "2": "\u00b2", "3": "\u00b3",
}  # fmt: skip
_LATIN: Final = re.compile(r"LATIN (CAPITAL|SMALL) LETTER ([A-Z]) WITH ").match


def _table() -> dict[int, bytes]:
    table = {code: bytes((code - 0xFEE0,)) for code in range(0xFF01, 0xFF5F)}
    for code in range(0xC0, 0x220):  # letters with marks, named after what they are without
        if (named := _LATIN(unicodedata.name(chr(code), ""))) is not None:
            table[code] = (named[2] if named[1] == "CAPITAL" else named[2].lower()).encode()
    for group in (_PUNCTUATION, _LETTERS):
        for plain, others in group.items():
            table.update((ord(other), plain.encode()) for other in others)
    return table


BEST_FIT: Final = _table()
"""Code points and the ASCII that IIS decodes their `%uHHHH` to."""
