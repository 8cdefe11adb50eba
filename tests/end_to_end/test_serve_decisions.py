"""The decision log of a running service: rules, fields, shares; and the log's level."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from callout.testing.requests import check_request, rate_limit_request
from tests.docs import pages
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, policy, write_bundle

BUNDLE = {
    "all.yaml": policy("shop", OPEN)
    + policy(
        "shut",
        "auth: {identity: [{anonymous: {}}], decide: {rego: rego, entrypoint: shop/never}}",
        '{host: "*", path: /shut}',
    ),
    **EVERYBODY,
    "rego/never.rego": "package shop\n\nnever := false\n",
    "ratelimit/edge.yaml": (
        "domain: edge\ndescriptors:\n  - {key: k, rate_limit: {unit: year, requests_per_unit: 1}}\n"
    ),
}
EXAMPLE = next(each for each in pages.of_kind("settings") if "operations" in each.page)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """The example of the page, as it is."""
    path = tmp_path / "gatewright.yaml"
    path.write_text(EXAMPLE.text)
    return path


@pytest.fixture
def serve(tmp_path: Path, settings: Path) -> Iterator[Serve]:
    bundle = write_bundle(tmp_path / "bundle", BUNDLE)
    with closing(Serve(tmp_path, bundle, "--settings", str(settings))) as running:
        yield running


def lines(serve: Serve) -> list[dict[str, Any]]:
    found = [json.loads(each) for each in serve.log.splitlines() if '"kind"' in each]
    return [each for each in found if each["kind"] == "decision"]


def test_the_rules_of_the_page_choose_what_they_say(serve: Serve) -> None:
    allowed, refused, over = 3000, 50, 1000
    with serve.client() as client:
        for _ in range(allowed):
            client.check(check_request(path="/a"))
        for _ in range(over + 1):
            client.should_rate_limit(rate_limit_request("edge", {"k": "v"}))
        for _ in range(refused):
            client.check(check_request(path="/shut"))
    until(lambda: sum(each["policy"] == "shut" for each in lines(serve)) == refused)
    found = lines(serve)
    slow = [each for each in found if each["verdict"] == "allow" and each["sample"] == 1]
    assert all(each["seconds"] >= 0.05 for each in slow)
    scaled: Counter[str] = Counter()
    for each in found:
        scaled[each["policy"]] += round(1 / each["sample"])
    # Six standard deviations of such a count, which is sqrt(n * (1 - share) / share).
    assert abs(scaled["shop"] - allowed) < 6 * (allowed * 99) ** 0.5
    assert abs(scaled["edge"] - over) < 6 * (over * 9) ** 0.5
    assert Counter(each["sample"] for each in found if each["policy"] == "shut") == {1: refused}


def test_a_line_has_the_fields_of_the_page(serve: Serve) -> None:
    with serve.client() as client:
        answer = client.check(check_request("PUT", "/shut?secret=1"))
    until(lambda: lines(serve) != [])
    (line,) = lines(serve)
    assert set(line) == {
        pages.code(row[0])[0] for row in pages.table("docs/operations.md", "decision")
    }
    assert line["id"] == answer.dynamic_metadata.fields["decision_id"].string_value
    assert line["digest"] == serve.config()["digest"]
    assert (line["face"], line["policy"], line["verdict"]) == ("authz", "shut", "deny")
    assert line["what"] == "PUT shop.example/shut"
    assert line["worker"] == 0
    assert 0 < line["seconds"] < 1


def test_the_level_of_the_log_changes_with_the_settings_file(serve: Serve, settings: Path) -> None:
    document = yaml.safe_load(settings.read_text())
    document["telemetry"]["level"] = "error"
    new = settings.with_suffix(".new")
    new.write_text(yaml.safe_dump(document))
    os.replace(new, settings)
    until(lambda: serve.config()["settings"]["telemetry"]["level"] == "error")
    assert "log level changed" not in serve.log, "it is below the new level"
    document["telemetry"]["level"] = "debug"
    settings.write_text(yaml.safe_dump(document))
    serve.signal(signal.SIGHUP)
    until(lambda: serve.said("log level changed"))
    assert serve.config()["settings"]["telemetry"]["level"] == "debug"
    settings.write_text("telemetry: {level: [")
    serve.signal(signal.SIGHUP)
    until(lambda: serve.said("settings rejected; those of before stay"))
    with serve.client() as client:
        assert client.check(check_request(path="/a")).status.code == 0
