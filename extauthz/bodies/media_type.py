"""Parameters of `content-type` and `content-disposition`, as Go's mime package reads them."""

import re
from typing import Final

_WORD: Final = r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]++"
_TYPE: Final = re.compile(rf"\s*{_WORD}(?:/{_WORD})?\s*")
_PARAMETER: Final = re.compile(
    rf"\s*;\s*(?P<name>{_WORD})\s*=\s*"
    rf'(?:(?P<token>{_WORD})|"(?P<quoted>(?:[^"\\\r\n]|\\[^\r\n])*+)")'
)
_ESCAPED: Final = re.compile(r'\\([()<>@,;:\\"/\[\]?=])')
"""Other backslashes mean themselves: some browsers send `C:\\file` so."""


def parameters(value: str, wanted: str) -> tuple[str, str | None]:
    """Take the value of a header apart.

    Args:
        value: the header.
        wanted: the parameter's name, in lower case.

    Returns:
        The first word in lower case, and the parameter; None without it.

    Raises:
        ValueError: none of RFC 2045; a name twice with different values; or `wanted` in the
            extended form of RFC 2231 (`name*=`), which some read and others do not.
    """
    word, mark, rest = value.partition(";")
    if not _TYPE.fullmatch(word):
        raise ValueError("not a media type")
    found: dict[str, str] = {}
    rest = mark + rest
    at = 0
    while match := _PARAMETER.match(rest, at):
        at = match.end()
        name, text = match["name"].lower(), match["token"]
        if text is None:
            text = _ESCAPED.sub(r"\1", match["quoted"])
        if found.setdefault(name, text) != text or name.startswith(f"{wanted}*"):
            raise ValueError("a parameter with two meanings")
    if rest[at:].strip() not in ("", ";"):
        raise ValueError("not a parameter")
    return word.strip().lower(), found.get(wanted)
