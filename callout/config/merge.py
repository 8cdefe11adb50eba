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
        A piece without any null, that has the place and the policy of the most specific one.
    """
    value: Any = None
    origin = _NOWHERE
    for source in sources:
        value, origin = _patched(value, origin, source.value, source.origin, source.policy,
                                 unions, ())  # fmt: skip
    last = sources[-1]
    return Source(value, origin, last.path, last.policy)


def named_items(value: Any) -> list[str] | None:
    """The names, if `value` is a list of named items; None if it is anything else."""
    if not isinstance(value, list) or not value:
        return None
    names = [each.get("name") if isinstance(each, dict) else None for each in value]
    return names if all(isinstance(name, str) for name in names) else None


def _patched(
    base: Any,
    base_origin: Origin,
    patch: Any,
    origin: Origin,
    policy: str,
    unions: Collection[Path],
    path: Path,
) -> tuple[Any, Origin]:
    """RFC 7386's MergePatch for values and origins alike. Changes neither of them."""
    if isinstance(patch, dict):
        if not isinstance(base, dict) or path in unions:
            base, base_origin = {}, _NOWHERE
        return _patched_mapping(base, base_origin, patch, origin, policy, unions, path)
    names = named_items(patch)
    if names is not None:
        if named_items(base) is None:
            base, base_origin = [], _NOWHERE
        return _patched_items(base, base_origin, patch, origin, policy, unions, path)
    return patch, Origin(origin.mark, origin.keys, origin.children, policy)


def _patched_mapping(
    base: dict[str, Any],
    base_origin: Origin,
    patch: dict[str, Any],
    origin: Origin,
    policy: str,
    unions: Collection[Path],
    path: Path,
) -> tuple[Any, Origin]:
    value = dict(base)
    keys = dict(base_origin.keys)
    children = dict(base_origin.children)
    for key, change in patch.items():
        if change is None:
            value.pop(key, None)
            keys.pop(key, None)
            children.pop(key, None)
            continue
        value[key], children[key] = _patched(
            value.get(key),
            children.get(key, _NOWHERE),
            change,
            origin.children[key],
            policy,
            unions,
            (*path, key),
        )
        keys[key] = origin.keys[key]
    return value, Origin(origin.mark, keys, children, policy)


def _patched_items(
    base: list[Any],
    base_origin: Origin,
    patch: list[Any],
    origin: Origin,
    policy: str,
    unions: Collection[Path],
    path: Path,
) -> tuple[Any, Origin]:
    value = list(base)
    children: dict[Step, Origin] = dict(base_origin.children)
    places = {item["name"]: index for index, item in enumerate(value)}
    for index, change in enumerate(patch):
        place = places.setdefault(change["name"], len(value))
        if place == len(value):
            value.append(None)
        value[place], children[place] = _patched(
            value[place],
            children.get(place, _NOWHERE),
            change,
            origin.children[index],
            policy,
            unions,
            path,
        )
    return value, Origin(origin.mark, origin.keys, children, policy)
