"""Why a plan cannot be used, as a value: each with the place in the Rego source."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class PlanProblem:
    """One reason why a plan is refused."""

    file: str
    """The Rego file that OPA's compiler named; empty: the plan as a whole."""
    line: int
    """From 1; 0: unknown."""
    column: int
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: " if self.file else ""
        return where + self.message


@dataclass(frozen=True, slots=True)
class PlanRejected:
    """A refused plan, with all that is wrong with it (at most `MOST_PROBLEMS`)."""

    problems: tuple[PlanProblem, ...]


MOST_PROBLEMS: Final = 100
"""A policy of thousands of rules that all call one missing builtin needs no longer list."""


class PlanError(Exception):
    """Raised inside the loader only; `load_plan` turns it into a `PlanRejected`."""

    def __init__(self, *problems: PlanProblem) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def refuse(message: str) -> PlanError:
    """An error about the plan as a whole."""
    return PlanError(PlanProblem("", 0, 0, message))
