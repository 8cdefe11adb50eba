"""Charsets that hide ASCII: what a rule sees is not what the application will decode."""

from typing import Final

from callout.http.bodies.oddities import NONE, Oddities

_USUAL: Final = frozenset(
    [b"utf-8", b"utf8", b"us-ascii", b"ascii", b"latin1", b"latin-1", b"koi8-r", b"koi8-u"]
    + [b"iso-8859-%d" % part for part in range(1, 17)]
    + [b"windows-%d" % page for page in range(1250, 1259)]
    + [b"gb2312", b"gbk", b"gb18030", b"big5", b"euc-jp", b"euc-kr"]
)
"""Each byte below 0x80 is the ASCII character, at least where no multi-byte character began."""

_CODECS: Final[dict[bytes, str]] = {
    b"utf-7": "utf-7",
    b"unicode-1-1-utf-7": "utf-7",
    b"utf-16": "utf-16",
    b"utf-16le": "utf-16-le",
    b"utf-16be": "utf-16-be",
    b"ucs-2": "utf-16",
    b"iso-10646-ucs-2": "utf-16",
    b"utf-32": "utf-32",
    b"utf-32le": "utf-32-le",
    b"utf-32be": "utf-32-be",
    b"ucs-4": "utf-32",
    b"iso-10646-ucs-4": "utf-32",
    b"shift_jis": "shift_jis",
    b"shift-jis": "shift_jis",
    b"iso-2022-jp": "iso2022_jp",
    b"iso-2022-kr": "iso2022_kr",
    b"hz-gb-2312": "hz",
} | {
    prefix + page: "cp" + page.decode()
    for page in (b"037", b"273", b"424", b"500", b"875", b"1026", b"1140")
    for prefix in (b"ibm", b"cp", b"ebcdic-cp-", b"x-ebcdic-", b"ibm-")
}
"""Name to Python's codec. A table, since `codecs.lookup` imports modules by what it is given, and
remembers every name that it did not find."""


def oddities_of(charset: bytes) -> Oddities:
    """What is odd about a charset by its name."""
    name = charset.strip().lower()
    if name in _USUAL:
        return NONE
    return frozenset({"charset_not_ascii"} if name in _CODECS else {"charset_unknown"})


def to_utf8(value: bytes, charset: bytes) -> bytes:
    """What an application that obeys the charset reads; the very value where there is no such.

    What does not decode becomes U+FFFD. Linear.
    """
    codec = _CODECS.get(charset.strip().lower())
    if codec is None:
        return value
    return value.decode(codec, "replace").encode("utf-8", "surrogatepass")
