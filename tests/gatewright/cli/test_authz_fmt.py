"""`gatewright authz fmt` beside a real `opa fmt`, and what it does on its own."""

import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from callout.testing import data, tools
from extauthz.policy.values.text import from_json
from gatewright.cli.main import main

# the first run on a machine builds OPA's code and translates it: minutes where others run
pytestmark = pytest.mark.timeout(900)

ROOT: Final = Path(__file__).resolve().parents[3]
UGLY: Final = 'package a\n\nallow  if{ input.x==1;\n\n\n  input.y   }\n#end\nx:={"a":1,\n"b":[1,2]}'
NEAT: Final = """package a

allow if {
	input.x == 1

	input.y
}

#end
x := {
	"a": 1,
	"b": [1, 2],
}
"""


def modules() -> dict[str, str]:
    """Rego of OPA's compliance cases, and our own."""
    found = {}
    cases = data.require("opa-compliance/v1")
    for path in sorted(cases.rglob("*.*")):
        if path.suffix in (".json", ".yml", ".yaml"):
            for index, case in enumerate(from_json(path.read_bytes())["cases"]):
                for number, text in enumerate(case.get("modules") or ()):
                    found[f"{path.parent.name}-{path.stem}-{index}-{number}.rego"] = text
    for top in ("gateway-config", "tests"):
        for path in sorted((ROOT / top).rglob("*.rego")):
            found[str(path.relative_to(ROOT)).replace("/", "-")] = path.read_text()
    return found


@pytest.fixture
def ugly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p" / "sub").mkdir(parents=True)
    (tmp_path / "p" / "sub" / "neat.rego").write_text(NEAT)
    (tmp_path / "p" / "other.txt").write_text("no Rego")
    path = tmp_path / "p" / "ugly.rego"
    path.write_text(UGLY)
    return path


def fmt(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["authz", "fmt", *arguments])
    return (code, *capsys.readouterr())


def opa_fmt(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [tools.require("opa"), "fmt", *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_a_thousand_modules_are_formatted_as_opa_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    texts = modules()
    assert len(texts) > 1_500
    for folder in (ours, theirs):
        folder.mkdir()
        for name, text in texts.items():
            (folder / name).write_text(text)
    assert fmt(capsys, "--write", str(ours)) == (0, "", "")
    done = opa_fmt("--write", theirs)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = {name: (ours / name).read_text() for name in texts}
    assert {name for name in texts if found[name] != (theirs / name).read_text()} == set()
    assert sum(found[name] != texts[name] for name in texts) > 200


def test_it_prints_what_opa_prints(ugly: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = fmt(capsys, "p/ugly.rego")
    assert found == (0, NEAT, "")
    assert opa_fmt(ugly).stdout == found[1]
    assert ugly.read_text() == UGLY


def test_names_of_files_that_would_change(ugly: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fmt(capsys, "--list", "p") == (0, "p/ugly.rego\n", "")
    assert fmt(capsys, "--check", "p") == (1, "p/ugly.rego\n", "")
    assert fmt(capsys, "--check", "p/sub") == (0, "", "")
    assert ugly.read_text() == UGLY


def test_what_would_change_in_them(ugly: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, output, error = fmt(capsys, "--diff", "p")
    assert (code, error) == (0, "")
    lines = output.splitlines()
    assert lines[:2] == ["--- p/ugly.rego", "+++ p/ugly.rego (formatted)"]
    assert "-allow  if{ input.x==1;" in lines
    assert "+allow if {" in lines
    assert lines[-1] == "+}"
    assert "\\ No newline at end of file" in lines
    assert ugly.read_text() == UGLY


def test_they_are_changed_where_that_is_asked_for(
    ugly: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ugly.chmod(0o640)
    before = (ugly.parent / "sub" / "neat.rego").stat().st_mtime_ns
    assert fmt(capsys, "--write", "p") == (0, "", "")
    assert ugly.read_text() == NEAT
    assert ugly.stat().st_mode & 0o777 == 0o640
    assert (ugly.parent / "sub" / "neat.rego").stat().st_mtime_ns == before
    assert (ugly.parent / "other.txt").read_text() == "no Rego"


def test_what_is_no_rego_is_told_with_its_line_and_the_others_are_formatted(
    ugly: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("p/bad.rego").write_text("package a\n\nallow if {\n\tinput.x ==\n}\n")
    Path("p/v0.rego").write_text("package a\n\nallow { input.x }\n")
    code, output, error = fmt(capsys, "--write", "p")
    assert (code, output) == (1, "")
    lines = error.splitlines()
    assert lines[0].startswith("p/bad.rego:5:1: rego_parse_error: ")
    assert any(line.startswith("p/v0.rego:3:1: rego_parse_error: `if` ") for line in lines)
    assert ugly.read_text() == NEAT


def test_a_file_that_cannot_be_written_is_told(
    ugly: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_path: Path, _data: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert fmt(capsys, "--write", str(ugly)) == (1, "", f"{ugly}: No space left on device\n")


def test_a_path_that_is_not_there_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert fmt(capsys, "nowhere") == (1, "", "nowhere: No such file or directory\n")
