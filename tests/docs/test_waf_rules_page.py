"""The examples of `gatewright waf` say what it says."""

import io
import re
import shlex
import sys
from pathlib import Path

import pytest

from gatewright.cli.main import main
from tests.docs import pages
from tests.docs.pages import Block

PAGE = "docs/waf-rules.md"
EXAMPLES = pages.of_kind("waf")
FILES = pages.files(PAGE, "waf file")


def test_there_are_as_many_as_were_counted() -> None:
    assert [each.page for each in EXAMPLES] == [PAGE] * 4


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: block.place)
def test_it_says_what_is_shown(
    block: Block,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    command, _, given = block.name.partition(" < ")
    if given:
        data = (tmp_path / given).read_bytes()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    main(["waf", *shlex.split(command)])

    shown = block.text.partition("\n")[2]
    assert re.sub(r'"ms": [\d.]+', '"ms": 0.0', capsys.readouterr().out) == shown
