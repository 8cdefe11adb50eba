"""Compiling for these tests."""

import os
from collections.abc import Iterator

import pytest

from callout.testing import tools


@pytest.fixture(scope="session")
def native_opa() -> Iterator[None]:
    """A native `opa` on the path: the compiler that needs nothing to be built first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tools.require("opa").parent), prepend=os.pathsep)
        yield
