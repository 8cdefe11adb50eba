"""`decision_logs` of OPA's configuration file: as OPA reads it, or refused by name."""

from typing import Any, Final

import pytest

from callout.config.decision_logs import DecisionLogs
from callout.config.problems import Rejected
from callout.config.settings import Settings
from extauthz.opa import config
from gatewright.run.opa_envoy import OpaEnvoy

_FILE: Final = """plugins: {envoy_ext_authz_grpc: {}}
services: {acme: {url: https://acme.example}}
"""


def _read(logs: str) -> config.Read | Rejected:
    return config.read("opa.yaml", f"{_FILE}decision_logs: {logs}\n".encode(), {})


def _settings(logs: str) -> DecisionLogs:
    found = _read(logs)
    assert not isinstance(found, Rejected), list(map(str, found.problems))
    made = OpaEnvoy(found.config, "127.0.0.1:9191", None, (), {}).settings(
        Settings.model_validate({})
    )
    assert made.decision_logs is not None
    return made.decision_logs


READ: Final[list[tuple[str, str, Any]]] = [
    ("{}", "upload_bytes", 32_768),
    ("{reporting: {upload_size_limit_bytes: 1}}", "upload_bytes", 90),
    ("{reporting: {upload_size_limit_bytes: 1000}}", "upload_bytes", 1000),
    ("{reporting: {upload_size_limit_bytes: 99999999999}}", "upload_bytes", 1 << 32),
    ("{reporting: {min_delay_seconds: 5, max_delay_seconds: 7200}}", "max_delay", 7200.0),
    ("{reporting: {min_delay_seconds: 0, max_delay_seconds: 0}}", "max_delay", 0.1),
    ("{reporting: {buffer_size_limit_bytes: 1}}", "buffer_bytes", 1 << 20),
    ("{reporting: {buffer_size_limit_bytes: 9999999999999999}}", "buffer_bytes", 1 << 40),
    ("{reporting: {max_decisions_per_second: 2.5}}", "max_per_second", 2.5),
    ("{reporting: {trigger: immediate}}", "url", "https://acme.example/logs"),
    ("{reporting: {trigger: periodic}}", "url", "https://acme.example/logs"),
    ("{reporting: {buffer_type: event, buffer_size_limit_events: 5}}", "max_per_second", None),
    ("{console: true}", "url", None),
    ("{console: true}", "stdout", True),
    ("{console: true, service: acme}", "url", "https://acme.example/logs"),
    ("{mask_decision: /system/log/mask, drop_decision: system/log/drop}", "stdout", False),
]


@pytest.mark.parametrize(("logs", "name", "value"), READ)
def test_what_opa_takes_is_taken(logs: str, name: str, value: Any) -> None:
    assert getattr(_settings(logs), name) == value


REFUSED: Final = [
    ("{reporting: {trigger: manual}}", "expected 'periodic' or 'immediate'"),
    ("{reporting: {max_decisions_per_second: 0}}", "at least 0.001"),
    ("{reporting: {max_decisions_per_second: 1, buffer_size_limit_bytes: 1}}", "only one of"),
    ("{reporting: {min_delay_seconds: 5, max_delay_seconds: 90000}}", "at most 86400"),
    ("{mask_decision: /a/b}", "the rule is data.system.log.mask"),
    ("{drop_decision: /a/b}", "the rule is data.system.log.drop"),
    ("{plugin: x}", "plugin: it is not supported"),
]


@pytest.mark.parametrize(("logs", "why"), REFUSED)
def test_what_cannot_be_done_is_refused_with_its_line(logs: str, why: str) -> None:
    found = _read(logs)
    assert isinstance(found, Rejected)
    assert [each.line for each in found.problems] == [3]
    assert why in str(found.problems[0])
