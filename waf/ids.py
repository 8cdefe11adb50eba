"""Ids of rules as directives and `ctl` write them."""


class IdProblem(ValueError):
    """A text names no rules."""


def id_ranges(text: str) -> tuple[tuple[int, int], ...]:
    """`942100-942999`, `942100` and lists of them, with commas or spaces between.

    Raises:
        IdProblem: it is none.
    """
    spans: list[tuple[int, int]] = []
    for piece in text.replace(",", " ").split():
        low, dash, high = piece.partition("-")
        if not _is_id(low) or (dash and not _is_id(high)):
            raise IdProblem(f"{piece} is neither an id nor a range of ids")
        spans.append((int(low), int(high) if dash else int(low)))
    return tuple(spans)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 12
