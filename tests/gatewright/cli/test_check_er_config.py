"""`gatewright check --er-config`: a folder of envoyproxy/ratelimit files, checked offline."""

import json
from pathlib import Path

import pytest

from gatewright.cli.main import main

GOOD = "domain: {}\ndescriptors:\n  - key: k\n    rate_limit: {{unit: day, requests_per_unit: 5}}\n"
HIDDEN = """domain: d
descriptors:
  - {key: k, value: "*", rate_limit: {unit: second, requests_per_unit: 5}}
  - {key: k, value: "ab*", rate_limit: {unit: second, requests_per_unit: 5}}
"""


def checked(*arguments: str) -> int:
    return main(["check", *arguments])


def test_good_files_are_counted_by_their_domains_whatever_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.yaml").write_text(GOOD.format("one"))
    assert checked("--er-config", str(tmp_path)) == 0
    assert capsys.readouterr().out == f"{tmp_path}: good: 1 domain\n"
    (tmp_path / "config.two").write_text(GOOD.format("two"))
    assert checked("--er-config", str(tmp_path)) == 0
    assert capsys.readouterr().out == f"{tmp_path}: good: 2 domains\n"


def test_a_mistake_is_told_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.yaml").write_text(GOOD.format("one").replace("day", "fortnight"))
    assert checked("--er-config", str(tmp_path)) == 1
    assert "ratelimit/one.yaml:4:24: " in (told := capsys.readouterr().err)
    assert "invalid rate limit unit 'fortnight'" in told


def test_a_rule_that_never_applies_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "d.yaml").write_text(HIDDEN)
    assert checked("--er-config", str(tmp_path)) == 0
    assert checked("--er-config", str(tmp_path), "--strict") == 1
    capsys.readouterr()
    assert checked("--er-config", str(tmp_path), "--json") == 0
    (warning,) = json.loads(capsys.readouterr().out)["problems"]
    assert (warning["severity"], warning["line"]) == ("warning", 4)


def test_the_environment_of_that_service_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one.yaml").write_text(GOOD.format("same"))
    (tmp_path / "two.yaml").write_text(GOOD.format("same").replace("key: k", "key: other"))
    assert checked("--er-config", str(tmp_path)) == 1
    assert "duplicate domain 'same'" in capsys.readouterr().err
    monkeypatch.setenv("MERGE_DOMAIN_CONFIG", "true")
    assert checked("--er-config", str(tmp_path)) == 0
    monkeypatch.setenv("BACKEND_TYPE", "memcache")
    assert checked("--er-config", str(tmp_path)) == 1
    assert "BACKEND_TYPE" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["bundle", "--er-config", "folder"]])
def test_it_is_a_bundle_or_such_a_folder(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        checked(*arguments)
    assert ended.value.code == 2
