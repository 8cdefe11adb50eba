"""Request data in lines that people and machines read: bounded, and on one line."""


def clean(text: str, limit: int) -> str:
    r"""The text as it may stand in a log line.

    Whatever is not printable is escaped as in a Python literal: line breaks (a forged log line),
    terminal escapes, direction marks that make text read differently, halves of surrogate pairs
    (no encoder takes them).

    Args:
        text: request data.
        limit: characters of it that are kept; `…` marks that there was more.

    Returns:
        `a\nb` as `a\\nb`; at most ten times `limit` characters, for text of nothing but escapes.
    """
    # Slicing first: the time that this takes is bounded too.
    shown = text[:limit]
    if not shown.isprintable():
        shown = "".join(each if each.isprintable() else _escaped(each) for each in shown)
    return shown + "…" if len(text) > limit else shown


def without_query(path: str) -> str:
    """The path as it may be shown: queries and fragments hold secrets often enough."""
    return path.partition("?")[0].partition("#")[0]


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
