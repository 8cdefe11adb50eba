"""@endsWith."""

from waf.operators.contract import Captures, Surroundings, Test


def ends_with(argument: bytes, around: Surroundings) -> Test:  # noqa: ARG001
    """Match values that end with the argument.

    Argument: bytes; the empty one ends every value.
    Returns: the argument. 0.1 us.
    Example: `@endsWith .php`.
    Differences: none.
    """
    found: Captures = (argument,)

    def test(value: bytes) -> Captures | None:
        return found if value.endswith(argument) else None

    return test
