"""The files and datasets that an operator's argument names."""

from waf.operators.contract import OperatorProblem


def named(argument: bytes) -> str:
    """The argument as the text that it is in the rule file."""
    return argument.decode("utf-8", "surrogateescape").strip()


def names(argument: bytes) -> list[str]:
    """The names in the argument, which are separated by white space.

    Raises:
        OperatorProblem: there is none.
    """
    found = named(argument).split()
    if not found:
        raise OperatorProblem("expected the name of a file")
    return found


def lines(content: bytes) -> list[bytes]:
    """The lines with something in them that do not begin with `#`, without white space around."""
    stripped = [line.strip() for line in content.splitlines()]
    return [line for line in stripped if line and not line.startswith(b"#")]
