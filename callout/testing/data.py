"""Third-party test data that a clone does not have: conformance cases and the like.

They lie in a folder `shared/data` beside the clone, or where `TEST_DATA` says. A test that needs
some is skipped without them, and fails instead where `CI=true`.
"""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("TEST_DATA") or Path(__file__).resolve().parents[3] / "shared/data")


def require(name: str) -> Path:
    """The folder `name` of the data: `opa-compliance/v1`, `ratelimit-config`."""
    folder = FOLDER / name
    if not folder.is_dir():
        reason = f"the test data {name} are not here: TEST_DATA names the folder that has them"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return folder
