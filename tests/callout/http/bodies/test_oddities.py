"""The words, and that each is said by some decoder."""

import re
from pathlib import Path
from typing import get_args

import pytest

import callout.http.bodies
from callout.http.bodies.oddities import BROKEN, GRADES, REFUSED, Grade, Oddity, sorted_words

FOLDER = Path(callout.http.bodies.__file__).parent
SOURCES = "".join(path.read_text() for path in FOLDER.glob("*.py") if path.name != "oddities.py")
TESTS = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))


def test_every_word_has_a_grade_and_a_sentence() -> None:
    assert GRADES.keys() == set(get_args(Oddity))
    assert {grade for grade, _ in GRADES.values()} == set(get_args(Grade))


@pytest.mark.parametrize("word", GRADES)
def test_every_word_is_said_and_tested(word: str) -> None:
    assert re.search(rf'"{word}"', SOURCES), "by no decoder"
    assert re.search(rf'"{word}"', TESTS), "in no test"


def test_strict_refuses_all_but_the_unusual_and_lenient_what_was_not_looked_at() -> None:
    assert {GRADES[word][0] for word in REFUSED["strict"]} == {"uninspected", "broken", "ambiguous"}
    assert {GRADES[word][0] for word in REFUSED["lenient"]} == {"uninspected"}
    assert REFUSED["lenient"] <= BROKEN <= REFUSED["strict"]


def test_words_are_sorted() -> None:
    assert sorted_words({"semicolon", "bad_escape"}) == ("bad_escape", "semicolon")
