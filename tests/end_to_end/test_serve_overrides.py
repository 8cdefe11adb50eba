"""A file of overrides as it is served: three thousand customers, a change, and a mistake."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

from callout.config import identity
from callout.testing.requests import rate_limit_request
from tests.docs.pages import ROOT
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import Serve, environment, policy, write_bundle

LIMIT = "limits: [{name: a, by: [identity.sub], rate: 2/year, overrides: limits/customers.yaml}]"


def customers(rate: str) -> str:
    """Three thousand, and one who matters."""
    return "".join(f"customer-{n}: 7/year\n" for n in range(3_000)) + f"acme: {rate}\n"


def left(serve: Serve, sub: str) -> int:
    """What remains after one request of this customer."""
    entries = {
        "host": "shop.example",
        "path": "/",
        "method": "GET",
        "remote_address": "198.51.100.7",
        "id": identity.encode({"sub": sub}),
    }
    with serve.client() as client:
        answer = client.should_rate_limit(rate_limit_request("gatewright", entries))
    return int(answer.statuses[0].limit_remaining)


def test_a_changed_file_is_loaded_with_the_bundle_and_a_bad_one_is_not(tmp_path: Path) -> None:
    files = {"all.yaml": policy("all", LIMIT), "limits/customers.yaml": customers("5/year")}
    bundle = write_bundle(tmp_path / "bundle", files)
    written = bundle / "limits" / "customers.yaml"
    with closing(Serve(tmp_path, bundle)) as serve:
        assert left(serve, "customer-2999") == 6
        assert left(serve, "acme") == 4
        assert left(serve, "nobody") == 1
        before = set(serve.config()["workers"].values())
        written.write_text(customers("100/year"))
        until(lambda: not before & set(serve.config()["workers"].values()), 60)
        assert left(serve, "acme") == 98  # the same counter under another limit
        written.write_text(customers("100/yaer"))
        until(lambda: "customers.yaml:3001" in str(serve.config()), 60)
        assert left(serve, "acme") == 97
        assert "limits/customers.yaml:3001:7: acme: expected N/UNIT" in str(serve.config())
    checked = subprocess.run(
        [sys.executable, "-m", "gatewright", "check", str(bundle)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert checked.returncode == 1
    assert checked.stderr.startswith("limits/customers.yaml:3001:7: acme: expected N/UNIT")
