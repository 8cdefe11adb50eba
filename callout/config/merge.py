"""Policies merged into one: RFC 7386 (JSON Merge Patch) with two words of our own.

Field by field, the more specific policy wins; `null` removes. Besides:

- A *union*, a mapping whose keys are alternatives, is replaced as a whole: half of one
  alternative and half of another would mean nothing. Sections say where their unions are.
- Lists of named items (each a mapping with a `name`) merge item by item, so that
  `{name: per-user, off: true}` opts out of what a less specific policy asked for. All other
  lists, the empty one included, replace as a whole, as RFC 7386 says.

Each field keeps the place where it was written, so that a problem of the merged policy points
at the file that must change.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final, TypeAlias

from callout.config.source import Mark, Origin, Source, Step

Path: TypeAlias = tuple[str, ...]
"""Keys only: items of a list count under their list's path."""

_NOWHERE: Final = Origin(Mark("", 0, 0))


def merge(sources: Sequence[Source], unions: Collection[Path] = ()) -> Source:
    """Merges from the least to the most specific.

    Args:
        sources: at least one; pieces at the same path of several documents.
        unions: paths, from these pieces on, of mappings that replace as a whole.

    Returns:
        A piece with the place and the policy of the most specific one. A `null` is left only
        within a list that has no names.
    """
    if len(sources) == 1 and not _has_null(sources[0].value):
        return sources[0]  # most policies are alone with their block: a sixth of a load is saved
    value: Any = None
    origin = _NOWHERE
    for source in sources:
        patch = _Patch(source.policy, unions)
        value, origin = patch.applied(value, origin, source.value, source.origin, ())
    last = sources[-1]
    return Source(value, origin, last.path, last.policy)


def _has_null(value: Any) -> bool:
    """Whether a mapping in it says that something is to be removed."""
    if isinstance(value, dict):
        return any(each is None or _has_null(each) for each in value.values())
    return isinstance(value, list) and any(_has_null(each) for each in value)


def named_items(value: Any) -> list[str] | None:
    """The names, if `value` is a list of named items; None if it is anything else."""
    if not isinstance(value, list):
        return None
    names = [each["name"] for each in value if isinstance(each, dict) and "name" in each]
    texts = [name for name in names if isinstance(name, str)]
    return texts if texts and len(texts) == len(value) else None


class _Patch:
    """RFC 7386's MergePatch of one policy, for values and origins alike; changes neither."""

    __slots__ = ("_policy", "_unions")

    def __init__(self, policy: str, unions: Collection[Path]) -> None:
        self._policy = policy
        self._unions = unions

    def applied(
        self, base: Any, base_origin: Origin, change: Any, origin: Origin, path: Path
    ) -> tuple[Any, Origin]:
        if isinstance(change, dict):
            if not isinstance(base, dict) or path in self._unions:
                base, base_origin = {}, _NOWHERE
            return self._mapping(base, base_origin, change, origin, path)
        if named_items(change) is not None:
            if named_items(base) is None:
                base, base_origin = [], _NOWHERE
            return self._items(base, base_origin, change, origin, path)
        return change, Origin(origin.mark, origin.keys, origin.children, self._policy)

    def _mapping(
        self,
        base: dict[str, Any],
        base_origin: Origin,
        change: dict[str, Any],
        origin: Origin,
        path: Path,
    ) -> tuple[Any, Origin]:
        value = dict(base)
        keys = dict(base_origin.keys)
        children = dict(base_origin.children)
        for key, wanted in change.items():
            if wanted is None:
                value.pop(key, None)
                keys.pop(key, None)
                children.pop(key, None)
                continue
            before = children.get(key, _NOWHERE)
            value[key], children[key] = self.applied(
                value.get(key), before, wanted, origin.children.get(key, origin), (*path, key)
            )
            keys[key] = origin.keys.get(key, origin.mark)
        return value, Origin(origin.mark, keys, children, self._policy)

    def _items(
        self,
        base: list[Any],
        base_origin: Origin,
        change: list[Any],
        origin: Origin,
        path: Path,
    ) -> tuple[Any, Origin]:
        value = list(base)
        children: dict[Step, Origin] = dict(base_origin.children)
        places = {item["name"]: index for index, item in enumerate(value)}
        for index, wanted in enumerate(change):
            place = places.setdefault(wanted["name"], len(value))
            if place == len(value):
                value.append(None)
            before = children.get(place, _NOWHERE)
            value[place], children[place] = self.applied(
                value[place], before, wanted, origin.children.get(index, origin), path
            )
        return value, Origin(origin.mark, origin.keys, children, self._policy)
