"""Slots of keys, and what nodes of a Cluster say about them."""

import pytest

from callout.redis.pipeline import ErrorReply, Reply, pack
from callout.redis.servers import Address
from callout.redis.slots import MOST_NODES, SLOTS, Redirect, owners, redirect, slot_of

ASKED = Address("10.0.0.9", 7009)


def test_the_slot_is_that_of_the_specification() -> None:
    assert slot_of(pack(b"GET", b"123456789")) == 0x31C3  # the CRC's published check value
    assert slot_of(pack(b"GET", b"foo")) == 12182
    assert slot_of(pack(b"GET", b"user:{foo}:1")) == 12182
    assert slot_of(pack(b"GET", b"{}foo")) != 12182
    assert slot_of(pack(b"INCRBY", b"foo", b"1")) == slot_of(pack(b"EXPIRE", b"foo", b"9"))


@pytest.mark.parametrize("script", [b"", b"return 1\r\n$3\r\nbar\r\n", b"x" * 40])
@pytest.mark.parametrize("key", [b"foo", b"f\r\noo", b"\r\n$3\r\nbar", b""])
def test_the_first_key_of_a_command_is_found_whatever_bytes_it_has(
    key: bytes, script: bytes
) -> None:
    plain = slot_of(pack(b"GET", key))
    assert plain == slot_of(pack(b"INCRBY", key, b"1"))
    for name in (b"EVAL", b"EVALSHA"):
        assert plain == slot_of(pack(name, script, b"2", key, b"other", b"argument"))


@pytest.mark.parametrize("command", [pack(b"PING"), pack(b"EVAL", b"return 1", b"0", b"x")])
def test_a_command_without_a_key_is_refused(command: bytes) -> None:
    with pytest.raises(ValueError):
        slot_of(command)


def test_a_map_names_the_master_of_each_slot() -> None:
    found = owners(
        [
            [0, 99, [b"10.0.0.1", 7001, b"id1"], [b"10.0.0.4", 7004, b"id4"]],
            [200, SLOTS - 1, [b"::2", 7002, b"id2", []]],
            [100, 100, [b"", 7003, b"id3"]],
            [101, 101, [None, 7003, b"id3"]],
        ],
        ASKED,
    )
    assert found is not None
    assert len(found) == SLOTS
    assert found[0] == found[99] == Address("10.0.0.1", 7001)
    assert found[100] == found[101] == Address("10.0.0.9", 7003)
    assert found[102] is found[199] is None
    assert found[200] == found[-1] == Address("::2", 7002)


@pytest.mark.parametrize(
    "reply",
    [
        None,
        ErrorReply("ERR This instance has cluster support disabled"),
        [b"x"],
        [[0, 1]],
        [[0, 1, []]],
        [[0, 1, [b"a", b"7"]]],
        [[0, SLOTS, [b"a", 7]]],
        [[-1, 5, [b"a", 7]]],
        [[5, 4, [b"a", 7]]],
        [[n, n, [b"a", n]] for n in range(MOST_NODES + 1)],
    ],
)
def test_what_is_no_map_is_none(reply: Reply) -> None:
    assert owners(reply, ASKED) is None


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("MOVED 3999 127.0.0.1:6381", Redirect(3999, Address("127.0.0.1", 6381), False)),
        ("ASK 1 ::1:6381", Redirect(1, Address("::1", 6381), True)),
        ("MOVED 1 :6381", Redirect(1, Address("10.0.0.9", 6381), False)),
        ("MOVED 16384 a:1", None),
        ("MOVED -1 a:1", None),
        ("MOVED 1 a:x", None),
        ("MOVED 1", None),
        ("MOVED 1 ?:0", None),
        ("CLUSTERDOWN Hash slot not served", None),
        ("TRYAGAIN Multiple keys request during rehashing of slot", None),
        ("", None),
    ],
)
def test_redirections(message: str, expected: Redirect | None) -> None:
    assert redirect(ErrorReply(message), ASKED) == expected
