r"""What a value must have for a transformation to change it, told for all of them in one pass.

Most values are words and numbers, which no chain of CRS changes but those that encode. A value that
has none of the marks of a chain passes through it as it is: each step leaves it to the next.
"""

from collections.abc import Mapping
from typing import Final

ANY: Final = 1
"""Every value has it: of transformations about which nothing is known."""
UPPER: Final = 2
PERCENT: Final = 4
"""`%` or `+`."""
AMPERSAND: Final = 8
BACKSLASH: Final = 16
HIGH: Final = 32
"""A byte from 0x80 on."""
NUL: Final = 64
STAR: Final = 128
TAB: Final = 256
r"""`\t`, `\n`, `\v`, `\f` or `\r`."""
QUOTE: Final = 512
"""What t:cmdLine removes, or makes a space of, besides the backslash."""
SPACE: Final = 1024
GAP: Final = 2048
"""Two spaces together, or one before `/` or `(`."""
PATH: Final = 4096
"""A segment of a path that is empty or begins with a dot."""
COMMENT: Final = 8192
"""`#` or `--`."""

MARKS: Final[Mapping[str, int]] = {
    "cmdline": UPPER | BACKSLASH | TAB | QUOTE | GAP,
    "compresswhitespace": TAB | GAP,
    "cssdecode": BACKSLASH,
    "escapeseqdecode": BACKSLASH,
    "htmlentitydecode": AMPERSAND,
    "jsdecode": BACKSLASH,
    "lowercase": UPPER,
    "normalisepath": PATH,
    "normalisepathwin": PATH | BACKSLASH,
    "normalizepath": PATH,
    "normalizepathwin": PATH | BACKSLASH,
    "removecommentschar": STAR | COMMENT,
    "removenulls": NUL,
    "removewhitespace": SPACE | TAB | HIGH,
    "replacecomments": STAR,
    "replacenulls": NUL,
    "urldecode": PERCENT,
    "urldecodeuni": PERCENT,
    "utf8tounicode": HIGH,
}
"""By name in lower case: one of these is in every value that the transformation changes. Those that
CRS uses, and that leave most values as they are."""

_SLASH, _DASH = 1 << 14, 1 << 15
_OF_BYTES: Final = {
    **dict.fromkeys(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", UPPER),
    **dict.fromkeys(b"%+", PERCENT),
    **dict.fromkeys(b"\t\n\v\f\r", TAB),
    **dict.fromkeys(b"\"'^,;", QUOTE),
    **dict.fromkeys(b"./", _SLASH),
    **dict.fromkeys(range(0x80, 0x100), HIGH),
    0: NUL,
    ord("&"): AMPERSAND,
    ord("\\"): BACKSLASH,
    ord("*"): STAR,
    ord(" "): SPACE,
    ord("#"): COMMENT,
    ord("-"): _DASH,
}
_PLAIN: Final = bytes(byte for byte in range(256) if byte not in _OF_BYTES)
_KINDS: Final = {kind: number for number, kind in enumerate(sorted(set(_OF_BYTES.values())))}
_TABLE: Final = bytes(_KINDS[_OF_BYTES[byte]] if byte in _OF_BYTES else 0 for byte in range(256))
_BY_NUMBER: Final = tuple(_KINDS)
_SHORT: Final = 48
"""Bytes up to which to look at each is faster than to look for each kind."""


def marks(value: bytes) -> int:
    """All marks of a value. 0.15 us for a word, 1 us for a line of prose, 1.2 us a KiB."""
    kinds = value.translate(_TABLE, _PLAIN)
    if not kinds:
        return ANY
    found = ANY
    if len(kinds) <= _SHORT:
        for number in set(kinds):
            found |= _BY_NUMBER[number]
    else:
        for number, kind in enumerate(_BY_NUMBER):
            if number in kinds:
                found |= kind
    if found & SPACE and (
        value.find(b"  ") >= 0 or value.find(b" /") >= 0 or value.find(b" (") >= 0
    ):
        found |= GAP
    if found & _SLASH and (
        value.startswith(b".") or value.find(b"/.") >= 0 or value.find(b"//") >= 0
    ):
        found |= PATH
    if found & _DASH and value.find(b"--") >= 0:
        found |= COMMENT
    return found & ~(_SLASH | _DASH)
