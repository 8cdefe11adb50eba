"""What regular expressions cost."""

import time

from extauthz.policy.builtins.regular import is_valid


def test_reading_a_pattern_takes_time_that_grows_with_its_length_only() -> None:
    started = time.process_time()
    assert is_valid("\\Q\\E" * 500)
    assert is_valid("\\Q" * 500 + "\\E")
    assert time.process_time() - started < 1


def test_any_byte_is_no_pattern_of_go() -> None:
    assert not is_valid("a\\Cb")
    assert not is_valid("\\Qa\\E\\C")
    assert is_valid("\\Q\\C\\E")
    assert is_valid("\\Q\\C")
    assert is_valid("\\\\C")
