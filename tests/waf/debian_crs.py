"""CRS 3.3.4 as Debian packages it: the rule set that everyone can install."""

import os

import pytest

from callout.testing.tools import BIN

PACKAGE = BIN.parent / "debian" / "modsecurity-crs"


def require() -> dict[str, bytes]:
    """Its files by their paths once installed, with a `main.conf` that includes them all."""
    if not (PACKAGE / "usr").is_dir():
        reason = "Debian's modsecurity-crs is not here: `make tools`"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    files = {
        f"/{path.relative_to(PACKAGE)}": path.read_bytes()
        for folder in ("etc/modsecurity", "usr/share/modsecurity-crs")
        for path in sorted((PACKAGE / folder).rglob("*"))
        if path.suffix in (".conf", ".data", ".load")
    }
    return files | {"main.conf": files["/usr/share/modsecurity-crs/owasp-crs.load"]}
