"""Which entry a value has."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelimit.overrides.table import Entry, Networks, Table, Texts


def filled(table: Table, *written: str) -> Table:
    for line, text in enumerate(written, 1):
        entry = Entry(0, line)
        assert table.put(text, entry) is entry, text
    return table


def line(table: Table, value: str) -> int:
    found = table.find(value)
    return 0 if found is None else found.line


TEXTS = ("acme", "acme-*", "acme-eu-*", "a*", "é*")
FOUND = {
    "acme": 1,
    "acme-": 2,
    "acme-us": 2,
    "acme-eu-": 3,
    "acme-eu-1": 3,
    "acmex": 4,
    "a": 4,
    "éa": 5,
    "e": 0,
    "": 0,
    "acme-*": 2,
    "sha256:00": 0,
}


@pytest.mark.parametrize("value", FOUND)
def test_the_value_itself_wins_and_then_its_longest_beginning(value: str) -> None:
    assert line(filled(Texts(), *TEXTS), value) == FOUND[value]


def test_a_hash_in_place_of_a_long_value_has_no_beginning() -> None:
    assert line(filled(Texts(), "sha*"), "sha256:00") == 0
    assert line(filled(Texts(), "sha*"), "sha1") == 1


NETWORKS = ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "2001:db8::/32", "::ffff:198.51.100.0/120")
WITHIN = {
    "10.9.9.9": 1,
    "10.1.9.9": 2,
    "10.1.2.3": 3,
    "::ffff:10.1.2.3": 3,
    "2001:db8::1": 4,
    "198.51.100.7": 5,
    "198.51.101.7": 0,
    "::a01:203": 0,
    "": 0,
    "unix": 0,
}


@pytest.mark.parametrize("value", WITHIN)
def test_an_address_has_the_narrowest_network_that_it_is_in(value: str) -> None:
    assert line(filled(Networks(), *NETWORKS), value) == WITHIN[value]


@given(
    st.dictionaries(
        st.tuples(st.integers(0, 255), st.integers(24, 32)), st.just(None), max_size=12
    ),
    st.integers(0, 255),
)
def test_the_narrowest_network_is_that_which_a_walk_over_all_finds(
    written: dict[tuple[int, int], None], last: int
) -> None:
    networks = list(
        dict.fromkeys(
            ipaddress.ip_network(f"10.0.0.{number}/{length}", strict=False)
            for number, length in written
        )
    )
    table = filled(Networks(), *map(str, networks))
    address = ipaddress.ip_address(f"10.0.0.{last}")
    holding = [each for each in networks if address in each]
    narrowest = max(holding, key=lambda each: each.prefixlen, default=None)
    expected = 0 if narrowest is None else networks.index(narrowest) + 1
    assert line(table, str(address)) == expected


@given(st.lists(st.text("ab", min_size=1, max_size=5), unique=True), st.text("ab", max_size=6))
def test_the_longest_beginning_is_that_which_a_walk_over_all_finds(
    beginnings: list[str], value: str
) -> None:
    table = filled(Texts(), *(f"{each}*" for each in beginnings))
    longest = max(filter(value.startswith, beginnings), key=len, default=None)
    assert line(table, value) == (0 if longest is None else beginnings.index(longest) + 1)


@pytest.mark.parametrize("text", ["", "*", "a*b", "**", "é" * 101])
def test_what_is_no_text_of_a_file_is_refused(text: str) -> None:
    assert isinstance(Texts().put(text, Entry(0, 1)), str)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "acme", "10.0.0.*", ""])
def test_what_is_no_network_is_refused(text: str) -> None:
    assert isinstance(Networks().put(text, Entry(0, 1)), str)


@pytest.mark.parametrize(
    ("one", "again"), [("10.0.0.1", "10.0.0.1/32"), ("10.0.0.1", "::ffff:10.0.0.1")]
)
def test_the_same_network_in_other_words_is_the_same_entry(one: str, again: str) -> None:
    table = Networks()
    first = table.put(one, Entry(0, 1))
    assert table.put(again, Entry(1, 2)) is first
