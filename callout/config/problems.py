"""What is wrong with a configuration: one value for each thing, all of them at once."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that its author must change (an error) or should look at (a warning)."""

    file: str
    """Relative to the bundle's root; for settings also the variable or the flag."""
    line: int
    """From 1; 0 when there is no line: a variable, a flag, a file as a whole."""
    column: int
    """From 1; 0 when there is no line."""
    path: str
    """The field: `auth.identity[0].jwt.issuer`; empty for the document or file as a whole."""
    message: str
    """`expected ..., found ...`. Never holds the value of a field that is marked secret."""
    suggestion: str = ""
    """What was probably meant; empty if nobody can tell."""
    severity: Severity = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        path = f" {self.path}:" if self.path else ""
        warning = " warning:" if self.severity == "warning" else ""
        hint = f" (did you mean `{self.suggestion}`?)" if self.suggestion else ""
        return f"{place}:{warning}{path} {self.message}{hint}"


@dataclass(frozen=True, slots=True)
class Rejected:
    """Returned instead of a result when there is at least one error."""

    problems: tuple[Problem, ...]


def in_order(problems: "list[Problem] | tuple[Problem, ...]") -> tuple[Problem, ...]:
    """Sorts by place and drops repetitions: one field is compiled into many effective policies."""
    unique = dict.fromkeys(problems)
    return tuple(sorted(unique, key=lambda each: (each.file, each.line, each.column, each.path)))


def describe(value: object) -> str:
    """What was found, for a message: short, on one line, never the content of a collection."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            short = value if len(value) <= 60 else value[:57] + "..."
            return f"the text {short!r}"
        case list():
            return f"a list of {len(value)}"
        case _:
            return "a mapping"
