"""`gatewright check` reads the rule files that policies name, as `serve` does."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from gatewright.bundle import inspected, rule_sets
from gatewright.cli.main import main
from tests.waf import debian_crs

POLICY = """apiVersion: bundle/v1
kind: Policy
name: shop
on: [{{host: "*"}}]
auth: {{identity: [anonymous: {{}}], decide: authenticated}}
inspect:
  request:
    waf: {{rules: [{rules}]}}
"""


def check(folder: Path, rules: str, files: Mapping[str, str], *flags: str) -> int:
    (folder / "waf").mkdir()
    (folder / "shop.yaml").write_text(POLICY.format(rules=rules))
    for name, text in files.items():
        (folder / "waf" / name).write_text(text)
    return main(["check", str(folder), *flags])


def test_the_starter_rules_with_an_exclusion_leave_no_doubt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"own.conf": 'SecRuleUpdateTargetById 1101400-1101499 "!ARGS:note"\n'}

    assert check(tmp_path, "starter, waf/own.conf", files, "--strict") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('\nSecRule ARGS "@rx (" "id:1"\n', "waf/own.conf:2:1: "),
        ('SecRule ARGZ "@rx x" "id:1"\n', "waf/own.conf:1:9: "),
        ('SecRule ARGS "@nothing x" "id:1"\n', "waf/own.conf:1:"),
        ('SecRule ARGS "@rx x" "id:1,nothing:2"\n', "waf/own.conf:1:"),
        ("SecRuleEngin On\n", "waf/own.conf:1:1: "),
        ("Include none.conf\n", "waf/own.conf:1:9: "),
        ('SecRule ARGS "@pmFromFile none.data" "id:1"\n', "waf/own.conf:1:1: "),
        ('SecRule ARGS "@rx x" "id:1,chain"\n', "waf/own.conf:1:1: "),
        ('SecRule ARGS "@rx x" "id:1101400"\n', "waf/own.conf:1:"),
    ],
)
def test_a_fault_is_told_with_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, problem: str
) -> None:
    assert check(tmp_path, "starter, waf/own.conf", {"own.conf": text}) == 1
    assert problem in capsys.readouterr().err


def test_all_faults_of_all_files_are_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        "a.conf": 'SecRule ARGZ "@rx x" "id:1"\n',
        "b.conf": "SecNonsense\n\nSecNonsense\n",
    }

    assert check(tmp_path, "waf/*.conf", files) == 1
    told = capsys.readouterr().err
    assert [line[:14] for line in told.splitlines()] == [
        "waf/a.conf:1:9",
        "waf/b.conf:1:1",
        "waf/b.conf:3:1",
    ]


@pytest.mark.parametrize(
    ("rules", "text", "doubt"),
    [
        ("waf/own.conf", "SecRuleRemoveById 7\n", "waf/own.conf:1:"),
        ("waf/own.conf", 'SecRule ARGS "@rx (a)\\1" "id:1"\n', "not linear"),
        ("starter, crs", "", "one attack counts twice"),
    ],
)
def test_what_was_hardly_meant_is_a_warning(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rules: str,
    text: str,
    doubt: str,
) -> None:
    if "crs" in rules:
        debian_crs.require()
        found = rule_sets.crs(tmp_path / "none", debian_crs.PACKAGE)
        monkeypatch.setattr(inspected.rule_sets, "crs", lambda cache: found)

    assert check(tmp_path, rules, {"own.conf": text}) == 0
    assert doubt in capsys.readouterr().err
    assert main(["check", str(tmp_path), "--strict"]) == 1
