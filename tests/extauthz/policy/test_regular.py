"""What regular expressions cost."""

import time

import pytest

from extauthz.policy.builtins.regular import find_n, is_valid, replace, split
from extauthz.policy.errors import RegoError


def test_reading_a_pattern_takes_time_that_grows_with_its_length_only() -> None:
    started = time.process_time()
    assert is_valid("\\Q\\E" * 500)
    assert is_valid("\\Q" * 500 + "\\E")
    assert time.process_time() - started < 1


def test_finding_takes_time_that_grows_with_the_length_only() -> None:
    text = "aé" * 10_000
    started = time.process_time()
    assert find_n("é", text, -1) == ["é"] * 10_000
    assert replace(text, "é", "") == "a" * 10_000
    assert split("é", text) == ["a"] * 10_000 + [""]
    assert time.process_time() - started < 1


def test_an_empty_match_right_behind_another_does_not_count() -> None:
    assert find_n("a*", "baac", -1) == ["", "aa", ""]
    assert find_n("a*", "baac", 2) == ["", "aa"]
    assert find_n("a*", "baac", 0) == []
    assert replace("baac", "a*", "-") == "-b-c-"


def test_what_re2_finds_within_a_character_stops_the_evaluation() -> None:
    assert find_n("\\B", " b", -1) == [""]
    with pytest.raises(RegoError):
        find_n("\\B", " bé", -1)


def test_any_byte_is_no_pattern_of_go() -> None:
    assert not is_valid("a\\Cb")
    assert not is_valid("\\Qa\\E\\C")
    assert is_valid("\\Q\\C\\E")
    assert is_valid("\\Q\\C")
    assert is_valid("\\\\C")
