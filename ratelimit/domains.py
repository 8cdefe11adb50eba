"""Reads the bundle's folder `ratelimit/`: files as envoyproxy/ratelimit takes them.

https://github.com/envoyproxy/ratelimit#configuration. What that service accepts and this one does
not build yet is a problem that says so, never silently ignored.
"""

from collections.abc import Mapping
from typing import Any

from callout.config import yaml
from callout.config.problems import Problem, Rejected, describe
from callout.config.source import Source, Step
from callout.config.validate import suggest
from ratelimit.limits import MOST_REQUESTS, UNITS, Limit
from ratelimit.rules import Node, Rule, Wildcard

OWN_DOMAIN = "gatewright"
"""The domain of the policies' own limits; no file may claim it."""

_FILE_KEYS = ("domain", "descriptors")
_DESCRIPTOR_KEYS = ("key", "value", "rate_limit", "descriptors", "shadow_mode")
_LIMIT_KEYS = ("unit", "requests_per_unit", "unlimited")
_NOT_BUILT = frozenset(
    (
        "detailed_metric",
        "metadata",
        "name",
        "quota_mode",
        "replaces",
        "share_threshold",
        "value_to_metric",
    )
)


def load(files: Mapping[str, bytes]) -> dict[str, Node] | Rejected:
    """The rules of each domain, or everything that is wrong with the files.

    Args:
        files: content by name; only `.yaml` and `.yml` are read, in the order of their names.
    """
    loading = _Loading()
    for name in sorted(files):
        if name.endswith((".yaml", ".yml")):
            loading.file(name, files[name])
    if loading.problems:
        return Rejected(tuple(loading.problems))
    return loading.domains


class _Loading:
    def __init__(self) -> None:
        self.domains: dict[str, Node] = {}
        self.problems: list[Problem] = []

    def _problem(self, source: Source, path: tuple[Step, ...], message: str) -> None:
        self.problems.append(source.problem(path, message))

    def file(self, name: str, data: bytes) -> None:
        documents = yaml.parse(name, data)
        if isinstance(documents, Rejected):
            self.problems += documents.problems
            return
        if not documents:
            self.problems.append(Problem(name, 0, 0, "", "expected a `domain`, found nothing"))
        for document in documents:
            self._document(document)

    def _document(self, source: Source) -> None:
        top = self._mapping(source, (), source.value, _FILE_KEYS)
        if top is None:
            return
        domain = top.get("domain")
        if not isinstance(domain, str) or not domain:
            self._problem(
                source,
                ("domain",) if "domain" in top else (),
                f"expected `domain`, a text that is not empty, found {describe(domain)}",
            )
            return
        if domain == OWN_DOMAIN:
            self._problem(
                source,
                ("domain",),
                f"the domain `{OWN_DOMAIN}` is that of the policies' own `limits`: use another",
            )
            return
        if domain in self.domains:
            self._problem(source, ("domain",), f"duplicate domain `{domain}`")
            return
        root = self.domains[domain] = Node()
        self._descriptors(source, ("descriptors",), top.get("descriptors"), root)

    def _descriptors(
        self, source: Source, path: tuple[Step, ...], value: Any, parent: Node
    ) -> None:
        if value is None:
            return
        if not isinstance(value, list):
            self._problem(source, path, f"expected a list of descriptors, found {describe(value)}")
            return
        for index, item in enumerate(value):
            here = (*path, index)
            descriptor = self._mapping(source, here, item, _DESCRIPTOR_KEYS)
            if descriptor is not None:
                self._descriptor(source, here, descriptor, parent)

    def _descriptor(
        self,
        source: Source,
        path: tuple[Step, ...],
        descriptor: Mapping[str, Any],
        parent: Node,
    ) -> None:
        key = self._text(source, path, descriptor, "key")
        value = self._text(source, path, descriptor, "value")
        if key == "":
            self._problem(source, path, "a descriptor needs a `key` that is not empty")
        if key and "*" in key:
            self._problem(
                source, (*path, "key"), "a `*` in a key is not supported: wildcards are for `value`"
            )
        shadow = descriptor.get("shadow_mode", False)
        if not isinstance(shadow, bool):
            self._problem(
                source, (*path, "shadow_mode"), f"expected true or false, found {describe(shadow)}"
            )
            shadow = False
        rule = None
        if descriptor.get("rate_limit") is not None:
            rule = self._rule(source, (*path, "rate_limit"), descriptor["rate_limit"], shadow)
        node = Node(rule)
        if key and value is not None and not _place(parent, key, value, node):
            shown = f"`{key}` = `{value}`" if value else f"`{key}`"
            self._problem(source, path, f"duplicate descriptor {shown}")
        self._descriptors(source, (*path, "descriptors"), descriptor.get("descriptors"), node)

    def _text(
        self,
        source: Source,
        path: tuple[Step, ...],
        descriptor: Mapping[str, Any],
        name: str,
    ) -> str | None:
        """The text; empty when it is not there; None after a problem."""
        value = descriptor.get(name)
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        # YAML reads 010 as 8 and `on` as true: what was meant can only be guessed.
        self._problem(
            source, (*path, name), f"expected a text, found {describe(value)}: put it in quotes"
        )
        return None

    def _rule(
        self, source: Source, path: tuple[Step, ...], value: Any, shadow: bool
    ) -> Rule | None:
        fields = self._mapping(source, path, value, _LIMIT_KEYS)
        if fields is None:
            return None
        unlimited = fields.get("unlimited", False)
        if not isinstance(unlimited, bool):
            self._problem(
                source, (*path, "unlimited"), f"expected true or false, found {describe(unlimited)}"
            )
            return None
        unit_name = fields.get("unit")
        if unlimited:
            if unit_name is not None:
                self._problem(source, (*path, "unit"), "an unlimited rate limit has no `unit`")
                return None
            return Rule(None, shadow)
        unit = UNITS.get(unit_name.lower()) if isinstance(unit_name, str) else None
        if unit is None:
            self._problem(
                source,
                (*path, "unit") if "unit" in fields else path,
                f"expected `unit`, one of {', '.join(UNITS)}, found {describe(unit_name)}",
            )
        requests = fields.get("requests_per_unit", 0)
        if type(requests) is not int or not 0 <= requests <= MOST_REQUESTS:
            self._problem(
                source,
                (*path, "requests_per_unit"),
                f"expected a whole number from 0 to {MOST_REQUESTS}, found {describe(requests)}",
            )
            return None
        return Rule(Limit(requests, unit), shadow) if unit is not None else None

    def _mapping(
        self, source: Source, path: tuple[Step, ...], value: Any, known: tuple[str, ...]
    ) -> Mapping[str, Any] | None:
        """The mapping, its keys checked."""
        if not isinstance(value, Mapping):
            self._problem(
                source, path, f"expected a mapping with {', '.join(known)}, found {describe(value)}"
            )
            return None
        for key in value:
            if key in known:
                continue
            if key in _NOT_BUILT:
                message, hint = f"`{key}` is not supported yet", ""
            else:
                message = f"expected one of {', '.join(known)}; found an unknown key"
                hint = suggest(key, known)
            self.problems.append(source.problem((*path, key), message, hint, key=True))
        return value


def _place(parent: Node, key: str, value: str, node: Node) -> bool:
    """Put a node under its parent; False: there is one already."""
    if not value:
        return parent.any_value.setdefault(key, node) is node
    if "*" in value:
        siblings = parent.wildcards.setdefault(key, [])
        if any(wildcard.text == value for wildcard, _ in siblings):
            return False
        siblings.append((Wildcard(value), node))
        return True
    return parent.exact.setdefault((key, value), node) is node
