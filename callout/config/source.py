"""A piece of parsed YAML: its plain value, and where each field of it was written."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from callout.config.problems import Problem, Severity

Step: TypeAlias = str | int
"""A key of a mapping, or an index of a list."""


class Mark(NamedTuple):
    """A place in a file."""

    file: str
    line: int
    """From 1; 0: the file (or variable, or flag) as a whole."""
    column: int
    """From 1, in characters; 0: the file as a whole."""


_NO_KEYS: Final[Mapping[str, Mark]] = MappingProxyType({})
_NO_CHILDREN: Final[Mapping[Step, "Origin"]] = MappingProxyType({})


class Origin(NamedTuple):
    """Where a value, and everything in it, was written; the same shape as the value.

    A large bundle has a million: a tuple is made four times as fast as a frozen dataclass.
    """

    mark: Mark
    """Where the value begins."""
    keys: Mapping[str, Mark] = _NO_KEYS
    """Where each key of a mapping begins."""
    children: Mapping[Step, "Origin"] = _NO_CHILDREN
    """By key for a mapping, by index for a list."""
    policy: str = ""
    """The policy that this value came from; empty below the fields that policies merge by."""


class Source:
    """A value with its origins; immutable by agreement, as parts of it are shared."""

    __slots__ = ("origin", "path", "policy", "value")

    def __init__(
        self, value: Any, origin: Origin, path: tuple[Step, ...] = (), policy: str = ""
    ) -> None:
        self.value = value
        """Plain data: dict with string keys, list, str, int, float, bool, None."""
        self.origin = origin
        self.path = path
        """Where this piece is within its document."""
        self.policy = policy
        """The name of the policy that it came from; of a merged one the most specific."""

    def __repr__(self) -> str:
        return f"Source({self.value!r}, {self.origin.mark.file}:{self.origin.mark.line})"

    @property
    def mark(self) -> Mark:
        """Where the value begins."""
        return self.origin.mark

    def at(self, *path: Step) -> "Source":
        """The piece at `path`; what is not there has the value None and its parent's place."""
        value, origin, policy = self.value, self.origin, self.policy
        for step in path:
            value = _child(value, step)
            origin = origin.children.get(step) or Origin(origin.mark)
            policy = origin.policy or policy
        return Source(value, origin, (*self.path, *path), policy)

    def only(self, keys: Collection[str]) -> "Source":
        """This mapping with some of its keys."""
        kept = {key: value for key, value in self.value.items() if key in keys}
        return Source(kept, self.origin, self.path, self.policy)

    def problem(
        self,
        path: tuple[Step, ...],
        message: str,
        suggestion: str = "",
        severity: Severity = "error",
        *,
        key: bool = False,
    ) -> Problem:
        """A problem with the field at `path` below this piece.

        Args:
            path: the field; where it does not exist, the place is that of its nearest parent.
            message: `expected ..., found ...`.
            suggestion: what was probably meant.
            severity: whether the configuration can be used all the same.
            key: the problem is the last key itself rather than its value.
        """
        origin, mark = self.origin, self.origin.mark
        for depth, step in enumerate(path, 1):
            if key and depth == len(path) and isinstance(step, str):
                mark = origin.keys.get(step, mark)
                break
            child = origin.children.get(step)
            if child is None:
                break
            origin, mark = child, child.mark
        return Problem(
            mark.file,
            mark.line,
            mark.column,
            path_text((*self.path, *path)),
            message,
            suggestion,
            severity,
        )


def path_text(path: tuple[Step, ...]) -> str:
    """`("auth", "identity", 0)` as `auth.identity[0]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def _child(value: Any, step: Step) -> Any:
    if isinstance(step, str):
        return value.get(step) if isinstance(value, dict) else None
    return value[step] if isinstance(value, list) and 0 <= step < len(value) else None
