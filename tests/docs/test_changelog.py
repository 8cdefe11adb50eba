"""Changelog fragments are as CONTRIBUTING.md says."""

import re

import pytest

from tests.docs.pages import ROOT, read

FRAGMENTS = sorted((ROOT / "changelog.d").iterdir())
NAME = r"[0-9]{4}-[a-z0-9]+(-[a-z0-9]+)*\.md"
KINDS = ("Added", "Changed", "Fixed", "Removed", "Security")


def test_there_are_fragments_of_the_first_issue() -> None:
    assert len([each for each in FRAGMENTS if each.name.startswith("0003-")]) >= 8


def test_contributing_names_the_kinds() -> None:
    assert f"a kind of {', '.join(KINDS[:-1])} or {KINDS[-1]}." in read("CONTRIBUTING.md")


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment_has_a_kind_and_sentences(path) -> None:
    assert re.fullmatch(NAME, path.name), "NNNN-TOPIC.md: the issue, and a word or two"
    text = path.read_text()
    first, *rest = text.splitlines()
    kind, _, sentence = first.partition(": ")
    assert kind in KINDS
    for line in (sentence, *rest):
        assert re.fullmatch(r"[A-Za-z`].{8,180}\.", line), line
    assert text.endswith(".\n")
