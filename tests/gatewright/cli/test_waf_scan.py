"""`gatewright waf scan`: recorded requests in, findings out; what is no request is told."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest

from gatewright.bundle import rule_sets
from gatewright.cli.folders import gateway_config
from gatewright.cli.main import main
from gatewright.cli.waf import rules, scan
from tests.waf import debian_crs
from waf.load import load
from waf.rule_files import Levels, compose
from waf.rules import RuleSet

RULES = """
SecAction "id:1,phase:1,pass,nolog"
SecRule ARGS "@contains evil" "id:2,phase:2,deny,status:403,log,t:none,\
    setvar:tx.blocking_inbound_anomaly_score=5"
SecRule RESPONSE_BODY "@contains leak" "id:3,phase:4,deny,log"
SecRule REMOTE_ADDR "@ipMatch 192.0.2.0/24" "id:4,phase:1,pass,log"
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "own.conf").write_text(RULES)
    return str(tmp_path / "own.conf")


class Scan:
    """Runs it over lines."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
        self._patch, self._capsys = monkeypatch, capsys
        self.errors: list[str] = []

    def __call__(self, lines: list[object], *flags: str) -> tuple[int, list[dict[str, Any]]]:
        written = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in lines]
        source = io.TextIOWrapper(io.BytesIO(b"\n".join(written)))
        self._patch.setattr("sys.stdin", source)
        status = main(["waf", "scan", *flags])
        told = self._capsys.readouterr()
        self.errors = told.err.splitlines()
        return status, [json.loads(line) for line in told.out.splitlines()]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Scan:
    monkeypatch.setattr(scan, "cache_folder", lambda: tmp_path / "cache")
    return Scan(monkeypatch, capsys)


def get(uri: str, **more: object) -> dict[str, object]:
    return {"id": "r", "method": "GET", "uri": uri, "headers": [["Host", "a.example"]], **more}


def text(body: bytes) -> str:
    return base64.b64encode(body).decode()


def test_a_finding_says_which_rules_the_scores_and_whether_it_is_refused(
    run: Scan, file: str
) -> None:
    status, found = run([get("/?q=evil"), get("/?q=good")], "--rules", file)

    assert status == 0
    assert [list(each) for each in found] == [
        ["id", "rules", "inbound", "outbound", "blocked", "ms"]
    ] * 2
    assert found[0].pop("ms") > 0
    assert found[0] == {"id": "r", "rules": [2], "inbound": 5, "outbound": 0, "blocked": True}
    assert (found[1]["rules"], found[1]["blocked"]) == ([], False)


def test_address_body_and_response_are_what_the_line_says(run: Scan, file: str) -> None:
    form = [["content-type", "application/x-www-form-urlencoded"]]
    answer = {"status": 200, "headers": [["Content-Type", "text/plain"]], "body_b64": text(b"leak")}
    status, found = run(
        [
            get("/", remote_addr="192.0.2.9"),
            get("/", method="POST", headers=form, body_b64=text(b"a=evil")),
            get("/", response=answer),
        ],
        "--rules",
        file,
    )

    assert status == 0
    assert [each["rules"] for each in found] == [[4], [2], [3]]
    assert [each["blocked"] for each in found] == [False, True, True]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"nonsense", "expected a JSON object"),
        (b"[" * 100_000, "expected a JSON object"),
        (b'"text"', "Expected `object`, got `str`"),
        (b'{"method": "GET"}', "Object missing required field `uri`"),
        (b'{"method": "GET", "uri": 1}', "Expected `str`, got `int` - at `$.uri`"),
        (b'{"method": "GET", "uri": "/", "body": ""}', "unknown field `body`"),
        (b'{"method": "GET", "uri": "/", "body_b64": "?"}', "expected base64 - at `$.body_b64`"),
        (
            b'{"method": "GET", "uri": "/", "response": {"status": 200, "body_b64": "a"}}',
            "expected base64 - at `$.response.body_b64`",
        ),
        (b'{"method": "GET", "uri": "/\\ud800"}', "expected Unicode"),
        (b'{"method": "GET", "uri": "/", "headers": [["a"]]}', "at `$.headers[0]`"),
    ],
)
def test_a_line_that_is_no_request_is_told_with_its_number_and_the_rest_goes_on(
    run: Scan, file: str, line: bytes, message: str
) -> None:
    status, found = run([get("/"), line, b"", get("/?q=evil")], "--rules", file)

    assert status == 1
    assert [each["blocked"] for each in found] == [False, True]
    assert len(run.errors) == 1
    assert run.errors[0].startswith("line 2: ")
    assert message in run.errors[0]


def test_a_line_that_is_too_long_is_skipped(
    run: Scan, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "_LONGEST", 200)

    status, found = run([get("/" + "a" * 1000), get("/?q=evil")], "--rules", file)

    assert status == 1
    assert run.errors == ["line 1: expected at most 200 bytes, found more"]
    assert [each["rules"] for each in found] == [[2]]


def test_a_byte_that_is_no_text_is_written_as_a_lone_surrogate(run: Scan, tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_bytes(
        b'SecRule REQUEST_HEADERS:x "@streq \xff" "id:1,log,pass"\n'
    )
    line = get("/", headers=[["X", "\udcff"]])

    status, found = run([line], "--rules", str(tmp_path / "own.conf"))

    assert (status, found[0]["rules"]) == (0, [1])


def test_without_an_id_the_number_of_the_line_is_it(run: Scan, file: str) -> None:
    _, found = run([b"", b'{"method": "GET", "uri": "/"}'], "--rules", file)

    assert [each["id"] for each in found] == [2]


def test_faults_of_rules_are_told_with_file_and_line(run: Scan, tmp_path: Path) -> None:
    file = tmp_path / "own.conf"
    file.write_text('\nSecRule ARGS "@nonsense x" "id:1"\n')

    status, found = run([get("/")], "--rules", str(file))

    assert (status, found) == (2, [])
    assert run.errors[0].startswith(f"{file}:2:")
    assert run(["{}"], "--rules", str(tmp_path / "none.conf"))[0] == 2


def test_a_rule_file_that_stands_where_everything_does_is_refused(
    run: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "_MOST_FILES", 10)
    for number in range(20):
        (tmp_path / f"{number}.txt").write_text("")
    (tmp_path / "own.conf").write_text(RULES)

    assert run([get("/")], "--rules", str(tmp_path / "own.conf")) == (2, [])
    assert "expected at most 10 files" in run.errors[0]


def test_what_was_hardly_meant_is_told_and_the_scan_goes_on(run: Scan, tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_text("SecRuleRemoveById 7\n")

    assert run([get("/")], "--rules", str(tmp_path / "own.conf"))[0] == 0
    assert len(run.errors) == 1
    assert "own.conf:1:1: warning: " in run.errors[0]


def crs(debian: Path, levels: Levels) -> RuleSet:
    found = rule_sets.crs(debian / "none", debian)
    assert found is not None
    loaded = load(*compose(rule_sets.base(gateway_config() / "waf"), [found], levels))
    assert isinstance(loaded, RuleSet), loaded
    return loaded


def test_debian_s_crs_is_found_with_the_levels_that_are_asked_for() -> None:
    debian_crs.require()

    loaded = crs(debian_crs.PACKAGE, Levels(paranoia=3, inbound=12, outbound=9))

    assert loaded.tx[b"executing_paranoia_level"] == b"3"
    assert loaded.tx[b"inbound_anomaly_score_threshold"] == b"12"
    assert loaded.tx[b"outbound_anomaly_score_threshold"] == b"9"
    strict = len(loaded.rules())
    assert strict > 200
    assert len(crs(debian_crs.PACKAGE, Levels(paranoia=1)).rules()) < strict


def test_without_a_core_rule_set_it_is_said_where_one_comes_from(tmp_path: Path) -> None:
    assert rule_sets.crs(tmp_path, tmp_path) is None
    assert "modsecurity-crs" in rule_sets.NO_CRS
