"""Events of decisions by OPA's bundles: a real OPA, with the same file, logs the same."""

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from tests.extauthz.opa.pair import Pair, source
from tests.extauthz.opa.service import ManagementService, manifest, tarball

_POLICY: Final = """package envoy.authz

default allow := false

allow := {"allowed": true, "headers": {
	"x-team": data.teams[input.attributes.request.http.path],
	"x-internal": "1",
}}
"""
_LOG: Final = """package system.log

mask contains "/result/headers/x-internal"

mask contains {"op": "upsert", "path": "/input/attributes/request/http/path", "value": "masked"}

drop if input.input.attributes.request.http.path == "/health"
"""
_REPORTING: Final = {
    "min_delay_seconds": 1,
    "max_delay_seconds": 1,
    "upload_size_limit_bytes": 3000,
    "max_decisions_per_second": 100,
    "trigger": "periodic",
}


class _LoggingPair(Pair):
    def _written(self, who: str, more: Mapping[str, Any]) -> Path:
        logs = {"service": "acme", "reporting": _REPORTING, "mask_decision": "/system/log/mask"}
        return super()._written(who, {**more, "decision_logs": logs})

    def events(self, who: str) -> list[dict[str, Any]]:
        return [each for each in self.service.events if each["labels"]["who"] == who]


def test_bundles_results_and_masks_are_told_alike(tmp_path: Path) -> None:
    service = ManagementService()
    policy = {"policy.rego": _POLICY, "log.rego": _LOG}
    authz = tarball({".manifest": manifest("r7", "envoy", "system/log"), **policy})
    teams = json.dumps({"/a": "red", "/health": "red"})
    service.publish("bundles/authz.tar.gz", authz, '"a"')
    roots = json.dumps({"roots": ["teams"]})
    service.publish("bundles/teams.tar.gz", tarball({".manifest": roots, "teams/data.json": teams}),
                    '"t"')  # fmt: skip
    bundles = {"authz": source("authz"), "teams": source("teams")}
    with closing(service), closing(_LoggingPair(tmp_path, service, bundles)) as pair:
        pair.until_active("authz", "r7")
        pair.until(lambda: pair.our_answer("/a") and pair.its_answer("/a"))
        before = len(pair.events("gatewright")), len(pair.events("opa"))
        for path in ("/a", "/health", "/nobody"):
            assert pair.our_answer(path) == pair.its_answer(path)

        def last(who: str) -> list[dict[str, Any]]:
            return pair.events(who)[-2:]

        pair.until(
            lambda: (
                len(pair.events("gatewright")) > before[0]
                and len(pair.events("opa")) > before[1]
                and last("gatewright")[-1].get("result") is False
                and last("opa")[-1].get("result") is False
            )
        )
        ours, theirs = last("gatewright"), last("opa")
    for our, their in zip(ours, theirs, strict=True):
        for field in ("bundles", "path", "result", "masked"):
            assert our.get(field) == their.get(field), field
        by_default = ["/input/parsed_body"]
        assert our["erased"] == their.get("erased", []) + by_default
        paths = [each["input"]["attributes"]["request"]["http"]["path"] for each in (our, their)]
        assert paths == ["masked", "masked"]
    assert ours[0]["bundles"] == {"authz": {"revision": "r7"}, "teams": {}}
    assert ours[0]["result"] == {"allowed": True, "headers": {"x-team": "red"}}
