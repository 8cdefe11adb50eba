from hypothesis import given
from hypothesis import strategies as st

from ratelimit.keys import descriptor_key, policy_key, window_key

TEXT = st.text(alphabet="ab_:0123456789@", max_size=6) | st.text(max_size=3)
ENTRIES = st.lists(st.tuples(TEXT, TEXT), max_size=3)
COUNTER = st.tuples(TEXT, st.sampled_from([1, 60, 3600]), ENTRIES)
POLICY_COUNTER = st.tuples(TEXT, TEXT, st.sampled_from([1, 60, 3600]), ENTRIES)


def test_what_collides_in_other_formats_does_not_here() -> None:
    keys = {
        descriptor_key("d", 60, [("a", "b_c")]),
        descriptor_key("d", 60, [("a_b", "c")]),
        descriptor_key("d", 1, [("a_b", "c")]),
        descriptor_key("d_a", 60, [("b", "c")]),
        descriptor_key("d", 60, [("a", ""), ("b", "c")]),
        descriptor_key("d", 60, []),
        policy_key("d", "a", 60, [("b", "c")]),
        policy_key("d", "a", 60, [("address", "ann")]),
        policy_key("d", "a", 60, [("identity.sub", "ann")]),
    }
    assert len(keys) == 9


@given(st.lists(COUNTER, max_size=4))
def test_two_counters_share_a_key_only_if_they_are_the_same(counters: list) -> None:
    for one in counters:
        for other in counters:
            assert (descriptor_key(*one) == descriptor_key(*other)) == (one == other)


@given(st.lists(POLICY_COUNTER, max_size=4), COUNTER)
def test_the_policies_keys_are_apart_too(counters: list, operators: tuple) -> None:
    for one in counters:
        assert policy_key(*one) != descriptor_key(*operators)
        for other in counters:
            assert (policy_key(*one) == policy_key(*other)) == (one == other)


@given(st.text(), st.integers(0, 2**40))
def test_a_key_is_short_whatever_the_client_sent(value: str, start: int) -> None:
    long = window_key(descriptor_key("d", 60, [("path", value * 1000), ("x", "y" * 50)]), start)
    assert len(long) <= 250


def test_long_values_that_differ_at_their_end_have_their_own_counters() -> None:
    one, other = "x" * 5000 + "1", "x" * 5000 + "2"
    assert descriptor_key("d", 60, [("p", one)]) != descriptor_key("d", 60, [("p", other)])


def test_text_that_is_no_unicode_still_names_a_counter() -> None:
    assert descriptor_key("d", 60, [("k", "\ud800")]) != descriptor_key("d", 60, [("k", "\ud801")])
