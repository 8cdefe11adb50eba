"""@unconditionalMatch and @noMatch."""

from waf.operators.contract import Captures, Surroundings, Test


def unconditional_match(argument: bytes, around: Surroundings) -> Test:  # noqa: ARG001
    """Match every value.

    Argument: none; one is overlooked.
    Returns: the value. 0.1 us.
    Example: `SecAction` as a rule: `@unconditionalMatch`.
    Differences: none.
    """

    def test(value: bytes) -> Captures | None:
        return (value,)

    return test


def no_match(argument: bytes, around: Surroundings) -> Test:  # noqa: ARG001
    """Match no value.

    Argument: none; one is overlooked.
    Returns: nothing. 0.1 us.
    Example: `@noMatch`.
    Differences: none.
    """

    def test(value: bytes) -> Captures | None:  # noqa: ARG001
        return None

    return test
