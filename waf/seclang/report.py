"""How the parts of the parser tell what is wrong, without knowing where their text came from."""

from typing import Protocol

from callout.config.problems import Severity


class Report(Protocol):
    """Takes one problem of a text that is being read."""

    def __call__(
        self, offset: int, message: str, suggestion: str = "", severity: Severity = "error"
    ) -> None:
        """`offset`: where in the text."""
        ...
