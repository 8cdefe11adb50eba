import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from ratelimit.keys import (
    ErNames,
    descriptor_key,
    is_counter,
    policy_key,
    start_of,
    window_key,
)

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


@given(COUNTER, st.sampled_from(["", "x" * 130, "x" * 250, "é"]))
def test_a_name_is_its_parts_each_after_its_length(
    counter: tuple[str, int, list[tuple[str, str]]], value: str
) -> None:
    domain, seconds, entries = counter
    entries = [*entries, ("last", value)]
    texts = [text.encode() for entry in entries for text in entry]
    parts = b"".join(b"%d:%b" % (len(text), text) for text in texts)
    name = b"rl:d:%d:%b%ds:%b" % (len(domain.encode()), domain.encode(), seconds, parts)
    key = descriptor_key(*counter[:2], entries)
    if len(name) <= 200:
        assert key == name + b"@"
    else:
        assert key.startswith(b"rl:d:h:")
        assert len(key) == len(b"rl:d:h:@") + 40


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


@given(st.lists(st.tuples(POLICY_COUNTER, st.booleans()), max_size=4), COUNTER)
def test_those_of_several_windows_are_apart_from_all_others(
    counters: list, operators: tuple
) -> None:
    for one, several in counters:
        key = policy_key(*one, several)
        assert key != descriptor_key(*operators)
        assert len(key) <= 230
        for other in counters:
            assert (key == policy_key(*other[0], other[1])) == ((one, several) == other)


@given(POLICY_COUNTER, st.integers(1, 2**40), st.text())
def test_windows_of_one_limit_are_in_one_slot_of_a_cluster(
    counter: tuple, seconds: int, long: str
) -> None:
    policy, limit, one, values = counter
    for found in (values, [*values, ("path", long * 300)]):
        names = [policy_key(policy, limit, each, found, True) for each in (one, seconds)]
        keys = [window_key(name, 60) for name in names] + [names[0] + b"sliding/1"]
        assert len({key_slot(key) for key in keys}) == 1


@given(st.text(), st.integers(0, 2**40))
def test_a_key_is_short_whatever_the_client_sent(value: str, start: int) -> None:
    long = window_key(descriptor_key("d", 60, [("path", value * 1000), ("x", "y" * 50)]), start)
    assert len(long) <= 250


def test_long_values_that_differ_at_their_end_have_their_own_counters() -> None:
    one, other = "x" * 5000 + "1", "x" * 5000 + "2"
    assert descriptor_key("d", 60, [("p", one)]) != descriptor_key("d", 60, [("p", other)])


def test_text_that_is_no_unicode_still_names_a_counter() -> None:
    assert descriptor_key("d", 60, [("k", "\ud800")]) != descriptor_key("d", 60, [("k", "\ud801")])


@given(COUNTER, POLICY_COUNTER, st.integers(0, 2**40))
def test_a_key_says_when_its_window_started(one: tuple, policy: tuple, start: int) -> None:
    names = (
        descriptor_key(*one),
        policy_key(*policy),
        ErNames(b"5").descriptor_key(one[0], one[2]),
        descriptor_key("d", 60, [("k", "v" * 999)]),
        ErNames().descriptor_key("d", [("k", "v" * 9999)]),
    )
    assert {start_of(window_key(name, start)) for name in names} == {start}


@pytest.mark.parametrize(
    ("prefix", "entries", "expected"),
    [
        (b"", [("key", "value")], b"domain_key_value_1234"),
        (b"prefix:", [("key", "value")], b"prefix:domain_key_value_1234"),
        (b"", [("key", "value"), ("subkey", "")], b"domain_key_value_subkey__1234"),
        (b"", [], b"domain_1234"),
        (b"", [("k", "\u00e4 _")], b"domain_k_\xc3\xa4 __1234"),
    ],
)
def test_names_are_those_of_envoyproxy_ratelimit(
    prefix: bytes, entries: list[tuple[str, str]], expected: bytes
) -> None:
    assert window_key(ErNames(prefix).descriptor_key("domain", entries), 1234) == expected


def test_its_names_are_a_kilobyte_at_most() -> None:
    one, other = (ErNames(b"p:").descriptor_key("d", [("k", "x" * 5000 + c)]) for c in "12")
    assert one != other
    assert len(one) < 60
    assert one.startswith(b"p:")
    assert len(ErNames(b"p:").descriptor_key("d", [("k", "x" * 1000)])) == 1007


def test_only_names_of_counters_may_be_deleted() -> None:
    er = ErNames(b"edge:")
    assert is_counter(b"rl:d:1:d@60", None)
    assert is_counter(b"edge:d_k_v_60", er)
    assert not is_counter(b"edge:d_k_v_60", None)
    assert is_counter(b"rl:d:h:00ff@60", None)
    assert not is_counter(b"rl:replicas", er)
    assert not is_counter(b"rl:r:00ff", er)
    for foreign in (b"d_k_v_60", b"edge:session_", b"edge:session", b"edge:60", b"session:edge:_6"):
        assert not is_counter(foreign, er)
