"""`gatewright serve` with decision logs, and what tests ask it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from envoy.service.auth.v3 import external_auth_pb2

from callout.testing.grpc_client import Client
from callout.testing.requests import check_request
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, policy, write_bundle

BUNDLE: Final = {"all.yaml": policy("all", OPEN), **EVERYBODY}
QUICK: Final = {"min_delay": "0.1", "max_delay": "0.2"}
"""Seconds between batches."""
MEBIBYTE: Final = 1 << 20
"""The smallest buffer."""


def serving(folder: Path, bundle: Mapping[str, str] = BUNDLE, /, *flags: str, **logs: str) -> Serve:
    """A service with these settings of `decision_logs`."""
    environ = {
        f"GATEWRIGHT_DECISION_LOGS__{name.upper()}": value
        for name, value in {**QUICK, **logs}.items()
    }
    return Serve(folder, write_bundle(folder / "rules", bundle), *flags, environ=environ)


def ask(client: Client, path: str = "/", **how: Any) -> "external_auth_pb2.CheckResponse":
    """One Check."""
    return client.check(check_request(path=path, **how))


def id_of(answer: "external_auth_pb2.CheckResponse") -> str:
    """The decision's, as Envoy is told it."""
    return str(answer.dynamic_metadata.fields["decision_id"].string_value)


def allowed(answer: "external_auth_pb2.CheckResponse") -> bool:
    return bool(answer.HasField("ok_response") and answer.status.code == 0)
