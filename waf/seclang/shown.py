"""Pieces of rule files in messages: short, on one line, printable whatever they hold."""

from typing import Final

_LONGEST: Final = 40


def shown(text: str) -> str:
    """The text between backticks, cut when it is long; what cannot be printed is escaped."""
    cut = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
    plain = "".join(each if each.isprintable() else _escaped(each) for each in cut)
    return f"`{plain}`"


def _escaped(mark: str) -> str:
    return mark.encode("unicode_escape").decode("ascii")
