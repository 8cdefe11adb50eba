"""@within."""

from waf.operators.contract import Captures, Surroundings, Test


def within(argument: bytes, around: Surroundings) -> Test:  # noqa: ARG001
    """Match values that stand anywhere in the argument.

    Argument: bytes, mostly words with something between them that no value has.
    Returns: the value; the empty one stands in every argument. 0.1 us.
    Example: `@within |GET| |POST|` for a value made `|%{REQUEST_METHOD}|`.
    Differences: none.
    """

    def test(value: bytes) -> Captures | None:
        return (value,) if argument.find(value) >= 0 else None

    return test
