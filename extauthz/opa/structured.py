"""The files of a bundle that are values: `data.json`, `data.yaml`, `.manifest`."""

import json
import posixpath
from typing import Any, Final

import yaml

from extauthz.opa.problems import BundleRefused
from extauthz.policy.errors import BuiltinError
from extauthz.policy.values.text import from_json

DEEPEST: Final = 200
"""Levels of nesting; a service must not make us recurse as deep as it likes."""
MOST_ALIASED: Final = 1_000_000
"""Values of a YAML file, aliases counted as what they repeat: a few lines can ask for billions."""

YAML: Final = ("data.yaml", "data.yml")
MANIFEST: Final = ".manifest"


def is_structured(path: str) -> bool:
    """Whether the value counts and not the bytes."""
    return posixpath.basename(path) in ("data.json", *YAML, MANIFEST)


def read_structured(path: str, data: bytes) -> Any:
    """The value of a file, numbers exact.

    Raises:
        BundleRefused: it is not JSON (or YAML, by its name), or nested too deeply.
    """
    try:
        value = _yaml(data) if path.endswith(YAML) else from_json(data)
        _measure(value, None)
    except (ValueError, BuiltinError, RecursionError, yaml.YAMLError):
        wanted = "YAML" if path.endswith(YAML) else "JSON"
        raise BundleRefused(f"bundle load failed on {path}: expected {wanted}") from None
    return value


class _Loader(yaml.CSafeLoader):
    """YAML as OPA reads it (Go's yaml.v2): 1.1's words for booleans, and no dates."""


_Loader.yaml_implicit_resolvers = {
    first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def _yaml(data: bytes) -> Any:
    value = yaml.load(data, Loader=_Loader)  # noqa: S506 - a safe loader, and no tags of Python's
    _measure(value, MOST_ALIASED)
    return from_json(json.dumps(value, allow_nan=False))


def _measure(value: Any, most: int | None) -> None:
    """Refuses what is deep, or repeats itself too much: who reads it later may recurse."""
    seen = 0
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                if not all(isinstance(key, str) for key in each):
                    raise ValueError("keys must be text")
                below += each.values()
            elif isinstance(each, list):
                below += each
        level = [each for each in below if isinstance(each, dict | list)]
        seen += len(level)
        if not level:
            return
        if most is not None and seen > most:
            raise ValueError("too many values")
    raise ValueError("nested too deeply")
