"""Where commands keep what is slow to make, and how they say that something takes long."""

import os
import sys
from pathlib import Path

import gatewright


def cache_folder() -> Path:
    """In a clone its `.cache`, else the user's (XDG base directory specification)."""
    root = Path(gatewright.__file__).parent.parent
    if (root / "pyproject.toml").exists():
        return root / ".cache"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "gatewright"


def gateway_config() -> Path:
    """The shipped configuration: beside the packages in a clone, inside them in a wheel."""
    packages = Path(gatewright.__file__).parent
    inside = packages / "_data" / "gateway-config"
    return inside if inside.exists() else packages.parent / "gateway-config"


def say(sentence: str) -> None:
    """A progress line, beside the output proper."""
    print(sentence, file=sys.stderr, flush=True)
