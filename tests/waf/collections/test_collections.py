"""Collections that rules write: members, and what is kept of them between requests."""

import pytest

from callout.http.head import Peer
from tests.waf.engine import head, ids, rules
from waf.collections.members import Members, number
from waf.collections.memory import MemoryStore
from waf.rules import RuleSet
from waf.transaction import Transaction

PEER_IS_COUNTED = (
    'SecAction "id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR},setvar:ip.hits=+1"\n'
)


def at(store: MemoryStore, loaded: RuleSet, now: float, address: bytes = b"192.0.2.1") -> list[int]:
    """A request at a time; the rules that matched."""
    transaction = Transaction(loaded, b"1", now, store=store)
    transaction.request_head(head(), Peer(address))
    transaction.logging()
    return ids(transaction)


def test_members_are_found_in_any_case_and_keep_the_name_first_written() -> None:
    members = Members()
    members.put(b"Score", b"1")
    members.put(b"SCORE", b"2")

    assert (members.get(b"score"), list(members)) == (b"2", [(b"Score", b"2")])


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b"12", 12), (b" -3x", -3), (b"+4", 4), (b"x", 0), (b"", 0), (b"9" * 5000, int("9" * 18))],
)
def test_numbers_are_read_as_far_as_they_go(value: bytes, expected: int) -> None:
    assert number(value) == expected


def test_adding_to_what_is_no_number_begins_at_0() -> None:
    members = Members({b"a": b"text"})
    members.add(b"a", 5)
    members.add(b"b", -1)

    assert (members.get(b"a"), members.get(b"b")) == (b"5", b"-1")


def test_there_are_no_more_members_than_ten_thousand() -> None:
    members = Members()
    for index in range(10_050):
        members.put(b"%d" % index, b"")
    members.put(b"5", b"still written")

    assert (len(members), members.get(b"5")) == (10_000, b"still written")


def test_hits_of_an_address_are_counted_over_requests_and_for_itself() -> None:
    loaded = rules(PEER_IS_COUNTED + 'SecRule IP:hits "@ge 3" "id:2,phase:1,pass"')
    store = MemoryStore()

    assert [2 in at(store, loaded, 100.0 + each) for each in range(3)] == [False, False, True]
    assert 2 not in at(store, loaded, 104.0, b"192.0.2.9")


def test_a_member_is_gone_when_its_time_has_come() -> None:
    loaded = rules(
        PEER_IS_COUNTED + 'SecRule &IP:seen "@eq 1" "id:2,phase:1,pass"\n'
        'SecAction "id:3,phase:1,pass,setvar:ip.seen=1,expirevar:ip.seen=60"'
    )
    store = MemoryStore()

    assert [2 in at(store, loaded, now) for now in (0.0, 59.0, 118.0, 179.0)] == [
        False,
        True,
        True,
        False,
    ]


def test_a_collection_that_nobody_touches_is_gone_after_its_timeout() -> None:
    loaded = rules("SecCollectionTimeout 10\n" + PEER_IS_COUNTED)
    store = MemoryStore()
    at(store, loaded, 0.0)

    assert store.open("IP", b"192.0.2.1", 9.9) == {b"hits": b"1"}
    assert store.open("IP", b"192.0.2.1", 10.0) == {}


def test_two_requests_at_once_lose_no_hit() -> None:
    store = MemoryStore()
    first, second = (Members(store.open("IP", b"k", 0.0)) for _ in range(2))
    first.add(b"hits", 1)
    second.add(b"hits", 2)

    store.write("IP", b"k", first.changes(), 0.0, 60.0)
    store.write("IP", b"k", second.changes(), 0.0, 60.0)

    assert store.open("IP", b"k", 1.0) == {b"hits": b"3"}


def test_the_collection_untouched_longest_makes_room() -> None:
    store = MemoryStore(most=2)
    change = Members()
    change.put(b"a", b"1")
    for key in (b"1", b"2", b"1", b"3"):
        store.write("IP", key, change.changes(), 0.0, 60.0)

    assert (len(store), store.open("IP", b"2", 1.0)) == (2, {})


def test_what_is_deleted_stays_deleted() -> None:
    store = MemoryStore()
    members = Members()
    members.put(b"a", b"1")
    store.write("IP", b"k", members.changes(), 0.0, 60.0)
    again = Members(store.open("IP", b"k", 1.0))
    again.remove(b"A")

    store.write("IP", b"k", again.changes(), 1.0, 60.0)

    assert store.open("IP", b"k", 2.0) == {}


def test_a_collection_that_was_not_opened_takes_nothing() -> None:
    loaded = rules('SecAction "id:1,phase:1,pass,setvar:ip.a=1"\nSecRule IP:a "@rx ." "id:2,pass"')

    assert at(MemoryStore(), loaded, 0.0) == [1]


def test_sessions_of_two_applications_are_two() -> None:
    text = (
        "SecWebAppId %s\n"
        'SecAction "id:1,phase:1,pass,nolog,setsid:abc,setvar:session.n=+1"\n'
        'SecRule SESSION:n "@ge 2" "id:2,phase:1,pass"'
    )
    store = MemoryStore()
    one, other = (rules(text % name) for name in ("one", "other"))

    assert 2 not in at(store, one, 0.0)
    assert 2 not in at(store, other, 1.0)
    assert 2 in at(store, one, 2.0)
