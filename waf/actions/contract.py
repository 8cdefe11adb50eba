"""What an action is: once, at assembly, it writes into the draft of its rule."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from waf.macros import Expand
from waf.state import State

Step: TypeAlias = Callable[[State], None]
"""What is done for each value that a rule matches, before the rest of its chain is asked."""
Verdict: TypeAlias = Literal["pass", "block", "deny", "drop", "redirect", "allow"]
"""`block` stands for that of the phase's SecDefaultAction."""


class ActionProblem(Exception):
    """An action cannot be used as it is written; its author must change the rule."""


@dataclass(slots=True)
class Draft:
    """A rule while its actions are read."""

    id: int = 0
    phase: int = 2
    revision: str = ""
    version: str = ""
    severity: int | None = None
    maturity: int = 0
    accuracy: int = 0
    tags: list[str] = field(default_factory=list)
    message: str = ""
    log_data: str = ""
    logged: bool = False
    audited: bool = False
    capture: bool = False
    multi_match: bool = False
    transformations: list[str] = field(default_factory=list)
    """Names in lower case, in order; `none` clears those before it."""
    verdict: Verdict = "pass"
    status: int | None = None
    location: bytes | Expand = b""
    allow: str = "allow"
    """What `allow` lets be: `allow` everything, `phase`, `request`."""
    skip: int = 0
    skip_after: str | None = None
    steps: list[Step] = field(default_factory=list)


class Directory(Protocol):
    """Which rules a `ctl` means, by their indexes; whole only once all rules are assembled."""

    def by_id(self, text: str) -> frozenset[int]:
        """Those of an id or of a range, `942100-942999`."""
        ...

    def by_tag(self, text: str) -> frozenset[int]:
        """Those that have a tag."""
        ...

    def by_message(self, text: str) -> frozenset[int]:
        """Those that have a message."""
        ...


@dataclass(frozen=True, slots=True)
class Around:
    """What an action may need while it is compiled."""

    text: Callable[[str], bytes | Expand]
    """Compiles a text that may hold macros. Raises ActionProblem."""
    exception: Callable[[str], tuple[str, Callable[[bytes | None], bool]]]
    """The collection of a target as `ARGS:/^x/` says it, and which members it covers. Raises
    ActionProblem."""
    directory: Directory
    known_transformation: Callable[[str], bool]


Action: TypeAlias = Callable[[Draft, str | None, Around], None]
"""Writes into the draft what the argument says.

Raises:
    ActionProblem: it says nothing that can be done.
"""


def needed(argument: str | None) -> str:
    """The argument, which must be there."""
    if argument is None or not argument.strip():
        raise ActionProblem("needs an argument")
    return argument.strip()


def whole_number(argument: str | None, low: int, high: int) -> int:
    """The argument, which must be a number within bounds."""
    text = needed(argument)
    if not (text.isascii() and text.isdigit() and len(text) < 12 and low <= int(text) <= high):
        raise ActionProblem(f"needs a number from {low} to {high}")
    return int(text)
