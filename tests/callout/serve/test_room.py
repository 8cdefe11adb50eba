"""How many may be connected, who makes room, and how much all may make us keep."""

from typing import Any

from callout.serve.options import ServeOptions
from callout.serve.room import LOOK_EVERY, RELIEF, SETTLED, Room

NOW = 1000.0


class Peer:
    def __init__(self, held: int = 0, since: float | None = None) -> None:
        self.held = held
        self.since = since
        self.word = ""

    def idle_since(self) -> float | None:
        return None if self.word else self.since

    def abort(self, word: str) -> None:
        self.word = word
        self.held = 0


def room(*peers: Peer, **options: Any) -> Room[Peer]:
    return Room(ServeOptions(**options), list(peers))


def test_the_one_without_a_call_for_the_longest_makes_room() -> None:
    peers = [Peer(since=NOW - 5), Peer(since=NOW - 9), Peer(since=None)]
    full = room(*peers, max_connections=3)
    assert full.refuses("a", NOW) == ""
    assert [each.word for each in peers] == ["", "evicted", ""]
    assert full.refuses("a", NOW) == ""
    assert [each.word for each in peers] == ["evicted", "evicted", ""]


def test_who_has_calls_or_had_one_just_now_stays_and_the_new_one_is_refused() -> None:
    peers = [Peer(since=None), Peer(since=NOW - SETTLED / 2)]
    full = room(*peers, max_connections=2)
    assert full.refuses("a", NOW) == "too_many"
    assert [each.word for each in peers] == ["", ""]
    assert full.refuses("a", NOW + LOOK_EVERY) == ""
    assert peers[1].word == "evicted"


def test_one_that_has_a_call_since_it_was_found_idle_stays() -> None:
    peers = [Peer(since=NOW - 9), Peer(since=NOW - 5), Peer(since=NOW - 7)]
    full = room(*peers, max_connections=3)
    assert full.refuses("a", NOW) == ""
    peers[2].since = NOW
    assert full.refuses("a", NOW) == ""
    assert [each.word for each in peers] == ["evicted", "evicted", ""]


def test_connections_that_begin_count_too() -> None:
    opening = room(max_connections=2)
    for _ in range(2):
        assert opening.refuses("a", NOW) == ""
        opening.entered("a")
    assert opening.refuses("b", NOW) == "too_many"
    opening.settled("a", False)
    assert opening.refuses("b", NOW) == ""


def test_an_address_has_so_many_and_again_when_one_has_ended() -> None:
    shared = room(max_per_address=2)
    for _ in range(2):
        assert shared.refuses("a", NOW) == ""
        shared.entered("a")
        shared.settled("a", True)
    assert shared.refuses("a", NOW) == "too_many_of_address"
    assert shared.refuses("b", NOW) == ""
    assert shared.refuses("", NOW) == ""  # a Unix socket has no address
    shared.left("a")
    assert shared.refuses("a", NOW) == ""


def test_those_that_hold_the_most_are_cut_off_until_a_quarter_is_free() -> None:
    peers = [Peer(100), Peer(500), Peer(300), Peer(150)]
    full = room(*peers, max_buffered_total=1000)
    full.hold(1000)
    assert not any(each.word for each in peers)
    full.hold(50)
    assert [each.word for each in peers] == ["", "buffered", "", ""]
    assert sum(each.held for each in peers) <= 1000 * RELIEF
    assert full.held == 1050  # until the loop has told them


def test_bytes_of_those_that_are_cut_off_already_cut_off_nobody_else() -> None:
    peers = [Peer(600), Peer(500)]
    full = room(*peers, max_buffered_total=1000)
    full.hold(1100)
    full.hold(10)
    assert [each.word for each in peers] == ["buffered", ""]
