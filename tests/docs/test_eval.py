"""The examples of `gatewright authz eval` say what it says; its tables are those of the code."""

import json
import shlex
from pathlib import Path

import pytest

from extauthz.explain.stages import STAGES
from gatewright.cli.main import main
from tests.docs import pages
from tests.docs.pages import Block

PAGE = "docs/authorization.md"
EVALS = pages.of_kind("eval")

# the first run on a machine builds OPA's code and translates it: minutes where others run
pytestmark = pytest.mark.timeout(900)


def bundle(folder: Path, page: str) -> Path:
    for name, text in pages.files(page).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_there_are_as_many_as_were_counted() -> None:
    assert [each.page for each in EVALS] == [PAGE] * 3


@pytest.mark.parametrize("block", EVALS, ids=lambda block: block.place)
def test_it_says_what_is_shown(
    block: Block, tmp_path: Path, opa_on_path: None, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["authz", "eval", str(bundle(tmp_path, block.page)), *shlex.split(block.name)])
    said = capsys.readouterr()
    shown = block.text.partition("\n")[2]
    assert said.out == shown
    assert status == (0 if shown.startswith("ALLOWED") else 1)


def test_the_table_of_keys_is_the_document(
    tmp_path: Path, opa_on_path: None, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--host", "bakery.example", "--path", "/loaves", "--explain", "--json"]
    main(["authz", "eval", str(bundle(tmp_path, PAGE)), *asked])
    told = json.loads(capsys.readouterr().out)
    rows = [pages.code(row[0])[0] for row in pages.table(PAGE, "eval")]
    assert [each for each in rows if each != "failure"] == list(told)


def test_the_table_of_stages_is_the_code() -> None:
    rows = [(pages.code(row[0])[0], row[1]) for row in pages.table(PAGE, "stages")]
    assert rows == list(STAGES.items())
