"""Which part of Rego's `data` belongs to which bundle: paths like `a/b`; the empty one is all."""

from collections.abc import Iterable, Mapping
from typing import Any


def overlap(one: str, other: str) -> bool:
    """Whether one of two roots contains the other."""
    return contains(one, other.split("/")) or contains(other, one.split("/"))


def contains(root: str, path: list[str]) -> bool:
    """Whether a path is below a root, or it."""
    steps = root.split("/")
    return not root or path[: len(steps)] == steps


def in_any(roots: Iterable[str], path: list[str]) -> bool:
    """Whether a path is below one of the roots."""
    return any(contains(root, path) for root in roots)


def outside(roots: tuple[str, ...], data: Mapping[str, Any]) -> str | None:
    """The first part of a document that belongs to none of the roots; None: there is none."""
    if "" in roots:
        return None
    waiting: list[tuple[list[str], Any]] = [([name], value) for name, value in data.items()]
    while waiting:
        path, value = waiting.pop()
        if in_any(roots, path):
            continue
        leads = any(root.split("/")[: len(path)] == path for root in roots)
        if not leads or not isinstance(value, dict):
            return "/" + "/".join(path)
        waiting += [([*path, name], each) for name, each in value.items()]
    return None


def colliding(bundles: Mapping[str, tuple[str, ...]]) -> str | None:
    """Says which bundles want the same part of `data`; None: each has its own.

    Sorted, so that a root and what it contains are neighbours or nearly so: for n roots of 80
    bundles comparing each pair would take seconds.
    """
    entries = sorted(
        (tuple(root.split("/")) if root else (), name, root)
        for name, roots in bundles.items()
        for root in roots
    )
    open_: list[tuple[tuple[str, ...], str, str]] = []
    for steps, name, root in entries:
        while open_ and steps[: len(open_[-1][0])] != open_[-1][0]:
            open_.pop()
        for _, other, outer in open_:
            if other != name:
                found = f"'{outer}' of {other} and '{root}' of {name}"
                return f"detected overlapping roots in bundle manifest: {found}"
        open_.append((steps, name, root))
    return None
