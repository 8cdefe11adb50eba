"""What the documentation's commands and bundles run with."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from callout.config.problems import Rejected
from callout.testing import tools
from gatewright.bundle.load import Loaded, load
from gatewright.cli.folders import cache_folder

LoadFiles: TypeAlias = Callable[[Mapping[str, str]], Loaded | Rejected]


@pytest.fixture
def opa_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A native `opa`, as the pages suppose: it also compiles faster than WebAssembly starts."""
    folder = tools.require("opa").parent
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def load_files(tmp_path: Path, opa_on_path: None) -> LoadFiles:
    """Loads files as a bundle, by the server's own loader."""

    def load_all(files: Mapping[str, str]) -> Loaded | Rejected:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return load(tmp_path, cache_folder(), print)

    return load_all
