"""`gatewright authz test` beside a real `opa test`, and what it does on its own."""

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from callout.testing import tools
from gatewright.cli.authz import files
from gatewright.cli.main import main

# the first run on a machine builds OPA's code and translates it: minutes where others run
pytestmark = pytest.mark.timeout(900)

GATE: Final = """package gate

import rego.v1

default allow := false

allow if input.role in data.staff.roles

allow if {
	input.path == ["open"]
	input.method == "GET"
}

never if {
	input.a
	input.b
}

count_of(list) := n if {
	n := count(list)
}
"""
PASSING: Final = """package gate_test

import data.gate

test_staff if gate.allow with input as {"role": "clerk"}

test_open if gate.allow with input as {"path": ["open"], "method": "GET"}

test_no_role if not gate.allow with input as {"role": "thief"}

test_count if gate.count_of([1, 2]) == 2
"""
MIXED: Final = """package mixed_test

import data.gate

test_passes if gate.allow with input as {"role": "clerk"}

test_fails if {
	print("what is seen:", {"a": [1, 2.50, null]})
	gate.allow with input as {"role": "thief"}
}

test_no_boolean := "a text"

test_conflicts if {
	twice(1) == 2
}

twice(_) := 1

twice(_) := 2

test_divides if 1 / 0 == 0

todo_test_later if false

test_twice if true

test_twice if 1 == 2

test_cases[note] if {
	some note, case in {"one": {"in": 1, "out": 1}, "two": {"in": 2, "out": 3}}
	case.in == case.out
}

test_deep[a][b] if {
	some a, b in {"x": 1, "y": 2}
	b == 1
}

test_mocks if {
	asked := {"method": "GET", "url": "http://127.0.0.1:1/"}
	http.send(asked).status_code == 200 with http.send as {"status_code": 200}
}

test_clock if time.clock([1672531200000000000, "Europe/Berlin"]) == [1, 0, 0]

test_random_is_one if rand.intn("a", 1) == 0

test_regex_and_glob if {
	regex.match(`^a+$`, "aaa")
	glob.match("*.example", [], "shop.example")
}

test_signed if io.jwt.decode_verify("a.b.c", {"secret": "s"})[0] == false
"""
DATA: Final = {"staff/data.json": '{"roles": ["clerk"]}', "more.yaml": "limits:\n  a: 10.50\n"}
GOOD: Final = {"gate.rego": GATE, "gate_test.rego": PASSING, **DATA}
FOLDERS: Final[dict[str, dict[str, str]]] = {
    "all pass": GOOD,
    "all kinds": {**GOOD, "mixed_test.rego": MIXED},
    "only skipped": {"a_test.rego": "package a_test\n\ntodo_test_a if false\n"},
    "no tests": {"gate.rego": GATE},
    "no files": {},
    "nothing compiles": {"a.rego": "package a\n\nx := nowhere(1)\n\ny := data.b.c[z]\n"},
    "nothing parses": {"a.rego": "package a\n\nx := {\n", "b.rego": "no rego"},
    "rego of v0": {"a_test.rego": "package a_test\n\ntest_a { true }\n"},
    "data that contradict each other": {**GOOD, "a.json": '{"k": 1}', "b.yaml": "k: 2\n"},
    "data that are no object": {**GOOD, "list.json": "[1]"},
    "data that cannot be read": {**GOOD, "broken.json": '{"k": '},
    "data in the place of rules": {**GOOD, "gate.json": '{"gate": {"allow": true}}'},
    "folders in folders": {
        "one/two/three/data.yml": "k: [1, 2]\n",
        "one/two/x_test.rego": "package x_test\n\ntest_k if data.one.two.three.k == [1, 2]\n",
        "one/readme.md": "no data",
    },
}
FLAGS: Final[dict[str, Sequence[str]]] = {
    "pretty": (),
    "json": ("--format", "json"),
    "verbose": ("--verbose",),
    "coverage": ("--coverage",),
    "threshold": ("--threshold", "80"),
    "high threshold": ("--threshold", "99.5", "--verbose"),
    "some": ("--run", "test_(open|no_role|cases)", "--format", "json"),
    "none": ("--run", "nothing of this name"),
    "skipped pass": ("-z",),
}


class Done(NamedTuple):
    output: str
    error: str
    code: int


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "p"


def write(folder: Path, found: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in found.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def ours(capsys: pytest.CaptureFixture[str], *arguments: str) -> Done:
    capsys.readouterr()
    code = main(["authz", "test", *arguments])
    output, error = capsys.readouterr()
    return Done(output, error, code)


def of_opa(folder: Path, *arguments: str) -> Done:
    done = subprocess.run(
        [tools.require("opa"), "test", *arguments],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Done(done.stdout, done.stderr, done.returncode)


def told(text: str) -> Any:
    """An output with neither durations nor an order: OPA runs tests side by side."""
    try:
        found = json.loads(text)
    except ValueError:
        lines = re.sub(r"\(\d[\d.]*[mnµ]?s\)", "(TIME)", text).splitlines()
        return sorted(line for line in lines if line)
    if isinstance(found, list):
        for each in found:
            assert each.pop("duration") >= 0
        found.sort(key=lambda each: (each["location"]["row"], each["name"]))
    return found


WHOLE: Final = ("all pass", "all kinds")
CASES: Final = [
    (name, flags) for name in FOLDERS for flags in (FLAGS if name in WHOLE else ["pretty"])
]


@pytest.mark.parametrize(("name", "flags"), CASES)
def test_a_folder_is_told_of_as_opa_tells(
    name: str, flags: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, FOLDERS[name])
    found = ours(capsys, "p", *FLAGS[flags])
    wanted = of_opa(folder, "p", *FLAGS[flags])

    assert found.code == wanted.code
    assert told(found.output) == told(wanted.output)
    if "FAIL" not in wanted.error:  # of several failures, `opa test --coverage` names any
        assert told(found.error) == told(wanted.error)


def test_all_outcomes_are_among_those_compared(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, FOLDERS["all kinds"])
    results = {
        each["name"]: each
        for each in json.loads(ours(capsys, "p", "-f", "json", "-v").output)
        if each["package"] == "data.mixed_test"
    }
    assert results["test_fails"]["fail"]
    assert results["test_fails"]["location"] == {"file": "p/mixed_test.rego", "row": 7, "col": 1}
    assert results["todo_test_later"]["skip"]
    assert results["test_conflicts"]["error"]["code"] == "eval_conflict_error"
    assert results["test_cases"]["sub_results"]["two"]["fail"]
    assert "fail" not in results["test_cases"]["sub_results"]["one"]
    passed = {name for name, each in results.items() if not each.keys() & {"fail", "skip", "error"}}
    assert passed >= {"test_passes", "test_clock", "test_mocks", "test_regex_and_glob"}


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ('http.send({"method": "GET", "url": "http://127.0.0.1:1/"})', "http.send"),
        (
            'http.send({"method": "GET", "url": "http://127.0.0.1:1/", "raise_error": false})',
            "http.send",
        ),
        ('net.lookup_ip_addr("localhost")', "net.lookup_ip_addr"),
    ],
)
def test_a_test_has_no_network(
    expression: str, named: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"a_test.rego": f"package a_test\n\ntest_a if {{\n\t{expression}\n}}\n"})
    done = ours(capsys, "p")

    assert done.code == 2
    assert "ERROR: 1/1" in done.output
    assert (
        f"p/a_test.rego:4: eval_builtin_error: tests have no network: write `with {named} as"
        in (done.output)
    )


def test_a_test_sees_nothing_of_the_machine(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLANTED_SECRET", "s3cr3t")
    write(folder, {"a_test.rego": "package a_test\n\ntest_a if opa.runtime().env == {}\n"})
    assert ours(capsys, "p").code == 0


def test_a_test_without_an_end_is_ended_by_its_timeout(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Made once, and short: a range that is cut off has an error of its own.
    lines = [
        "all := numbers.range(1, 1000)",
        *(f"some {each} in all" for each in "ijk"),
        "i + j < k - k",
    ]
    endless = "\n\t".join(lines)
    text = f"package a_test\n\ntest_a if {{\n\t{endless}\n}}\n\ntest_b if true\n"
    write(folder, {"a_test.rego": text})
    done = ours(capsys, "p", "--timeout", "0.5", "--coverage")

    assert done == ("", "eval_cancel_error: context deadline exceeded\n", 1)
    assert "PASS: 1/2\nERROR: 1/2\n" in ours(capsys, "p", "--timeout", "0.5").output


def test_results_stand_in_the_order_of_files_and_lines(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tests = {
        f"{name}_test.rego": f"package {name}_test\n\n"
        + "".join(f"test_{index} if true\n\n" for index in range(9))
        for name in "cab"
    }
    write(folder, tests)
    results = json.loads(ours(capsys, "p", "-f", "json").output)
    places = [(each["location"]["file"], each["location"]["row"]) for each in results]
    assert len(places) == 27
    assert places == sorted(places)


def test_several_paths_are_one_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, GOOD)
    paths = ["p/gate.rego", "./p/gate_test.rego", str(folder / "more.yaml"), "p/staff/"]
    # `staff` is a root here, so its data are not below `staff`
    assert ours(capsys, *paths).code == 2
    assert of_opa(folder, *paths).code == 2
    (folder / "staff" / "data.json").write_text('{"staff": {"roles": ["clerk"]}}')
    assert ours(capsys, *paths) == ("PASS: 4/4\n", "", 0)


def test_policies_and_hidden_files_are_passed_over(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = "apiVersion: bundle/v1\nkind: Policy\nname: {}\n"
    hidden = {".compiled/a.json": "[]", ".git/x.rego": "no rego", "sub/.b.json": "[]"}
    documents = {"a.yaml": policy.format("a"), "b.yaml": "# two\n" + policy.format("b")}
    write(folder, {**GOOD, **hidden, **documents})
    assert ours(capsys, "p") == ("PASS: 4/4\n", "", 0)


POLICY: Final = """apiVersion: bundle/v1
kind: Policy
name: {name}
on: [{{host: {name}.example}}]
auth:
  identity: [anonymous: {{}}]
  decide: {{rego: {rego}, entrypoint: gate/allow, data: {data}}}
"""


def test_a_bundle_is_tested_as_it_is_served(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same Rego with the data of each policy; other JSON in its folder is no data of it."""
    write(
        folder,
        {
            "one.yaml": POLICY.format(name="one", rego="rego/gate", data="one.json"),
            "two.yaml": POLICY.format(name="two", rego="rego/gate", data="two.json"),
            "rego/gate/gate.rego": GATE,
            "rego/gate/gate_test.rego": PASSING,
            "rego/gate/other.json": '{"staff": {"roles": []}}',
            "one.json": '{"staff": {"roles": ["clerk"]}}',
            "two.json": '{"staff": {"roles": ["nobody"]}}',
            "lost/lost_test.rego": "package lost_test\n\ntest_lost if false\n",
        },
    )
    done = ours(capsys, "p")
    assert done.code == 2
    one, two = done.output.split("p/rego/gate:\n")[1:]
    assert one == "PASS: 4/4\n"
    assert two.endswith("PASS: 3/4\nFAIL: 1/4\n")
    assert "p/lost/lost_test.rego is not tested with this bundle" in done.error
    results = json.loads(ours(capsys, "p", "--format", "json").output)
    assert [each.get("fail", False) for each in results].count(True) == 1
    assert len(results) == 8
    covered = ours(capsys, "p", "--coverage")
    assert (covered.code, covered.output) == (1, "")
    assert "name one: p/rego/gate, p/rego/gate" in covered.error


def test_a_path_that_is_not_there_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ours(capsys, "nowhere") == ("", "nowhere: No such file or directory\n", 1)


def test_a_folder_of_too_much_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, GOOD)
    monkeypatch.setattr(files, "MOST_FILES", 3)
    assert ours(capsys, "p") == ("", "p: more than 3 files or 64 MiB\n", 1)


@pytest.mark.parametrize("flags", [("--threshold", "101"), ("--timeout", "0"), ("--format", "x")])
def test_wrong_flags_are_wrong_arguments(flags: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["authz", "test", "p", *flags])
    assert ended.value.code == 2
