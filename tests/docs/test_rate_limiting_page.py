"""The examples of `gatewright ratelimit try` say what it says."""

import re
import shlex
from pathlib import Path

import pytest

from gatewright.cli.main import main
from tests.docs import pages
from tests.docs.pages import ROOT, Block

PAGE = "docs/rate-limiting.md"
TRIES = pages.of_kind("try")


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    for name, text in pages.files(PAGE).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return str(tmp_path)


def test_there_are_as_many_as_were_counted() -> None:
    assert [each.page for each in TRIES] == [PAGE] * 9


def test_the_bundle_of_the_page_leaves_no_doubt(
    bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--strict", bundle]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("block", TRIES, ids=lambda block: block.place)
def test_it_says_what_is_shown(
    block: Block, bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["ratelimit", "try", bundle, *shlex.split(block.name)])
    shown = block.text.partition("\n")[2]
    # The window that it is now in the counters' names.
    assert re.sub(r"@\d+$", "@1735689600", capsys.readouterr().out, flags=re.M) == shown
    assert status == (0 if shown.startswith("OK") else 1)


def test_the_reasons_of_decisions_are_the_code_s() -> None:
    rows = pages.table(PAGE, "limit-reasons")
    sources = [*(ROOT / "ratelimit").glob("*.py"), ROOT / "callout/observe/sources.py"]
    words = set(re.findall(r'"([a-z_]+)"', "\n".join(each.read_text() for each in sources)))

    assert {word for row in rows for cell in row[:2] for word in pages.code(cell)} <= words
