"""What a predecessor hands over arrives: the same sockets, in order, however many."""

import os
import socket
from pathlib import Path

import msgspec
import pytest

from callout.serve.address import Address, bind
from gatewright.run import handover
from gatewright.run.handover import Counts, Heritage, Inheritance, Listens, Outcome


def heritage(sockets: int) -> Heritage:
    return Heritage(
        "1", "/tmp/x", Counts(3, {"loaded": 2}), Listens("a:1", "kernel", "b:2"), sockets
    )


@pytest.mark.parametrize("count", [2, 200, 201, 258])
def test_sockets_arrive_in_order(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        bound = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        handover.send(ours, heritage(count), bound)
        monkeypatch.setenv(handover.VARIABLE, str(theirs.detach()))
        received = handover.received()
        assert received is not None
        assert received.heritage == heritage(count)
        found = [received.admin, *received.grpc]
        assert [each.getsockname() for each in found] == [each.getsockname() for each in bound]
        assert not any(os.get_inheritable(each.fileno()) for each in found)
        received.decline("why not")
        assert msgspec.json.decode(ours.recv(1000), type=Outcome).problem == "why not"
        for each in (*found, *bound):
            each.close()
    assert handover.VARIABLE not in os.environ


def test_the_memory_that_workers_count_in_arrives_last(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    memory = os.memfd_create("counters")
    os.write(memory, b"counts")
    with ours, socket.create_server(("127.0.0.1", 0)) as bound:
        handover.send(ours, msgspec.structs.replace(heritage(2), counters=memory), [bound, bound])
        os.close(memory)
        monkeypatch.setenv(handover.VARIABLE, str(theirs.detach()))
        received = handover.received()
        assert received is not None
        assert received.counters is not None
        assert os.pread(received.counters, 10, 0) == b"counts"
        assert not os.get_inheritable(received.counters)
        os.close(received.counters)
        for each in (received.admin, *received.grpc):
            each.close()
        received.decline("")


def test_sockets_of_the_face_process_come_after_all_that_older_versions_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    memory = os.memfd_create("counters")
    with ours:
        bound = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
        left = msgspec.structs.replace(heritage(2), prometheus=1, process=2, counters=memory)
        handover.send(ours, left, bound)
        os.close(memory)
        monkeypatch.setenv(handover.VARIABLE, str(theirs.detach()))
        received = handover.received()
        assert received is not None
        assert received.prometheus is not None
        assert received.counters is not None
        os.close(received.counters)
        found = [received.admin, *received.grpc, received.prometheus, *received.process]
        assert [each.getsockname() for each in found] == [each.getsockname() for each in bound]
        for each in (*found, *bound):
            each.close()
        received.decline("")


def test_a_first_start_inherits_nothing() -> None:
    assert handover.received() is None


def test_a_predecessor_that_died_halfway_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.send(msgspec.json.encode(heritage(2)))
    ours.close()
    monkeypatch.setenv(handover.VARIABLE, str(theirs.detach()))
    with pytest.raises(OSError, match="gone"):
        handover.received()


def taken(monkeypatch: pytest.MonkeyPatch) -> tuple[socket.socket, Inheritance]:
    """The predecessor's end, and what its successor has."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        handover.send(ours, heritage(2), [bound, bound])
    monkeypatch.setenv(handover.VARIABLE, str(theirs.detach()))
    received = handover.received()
    assert received is not None
    return ours, received


def test_counts_are_those_of_the_moment_in_which_the_successor_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, received = taken(monkeypatch)
    later = Counts(7, {"loaded": 4})
    ours.send(msgspec.json.encode(later))
    assert received.succeed() == later
    assert msgspec.json.decode(ours.recv(1000), type=Outcome).problem == ""
    ours.close()


@pytest.mark.parametrize("data", [b"", b"nonsense"], ids=["is gone", "talks nonsense"])
def test_counts_of_before_count_when_the_predecessor(
    monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    ours, received = taken(monkeypatch)
    if data:
        ours.send(data)
    ours.close()
    assert received.succeed() == heritage(2).counts


def test_who_connects_where_nobody_listens_any_more_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    kept, left = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    path = bind(Address(path=str(tmp_path / "s")))
    with ours:
        handover.send(ours, heritage(3), [kept, left, path])
        for each in (kept, left, path):
            each.close()
        monkeypatch.setenv(handover.VARIABLE, str(theirs.detach()))
        received = handover.received()
        assert received is not None
        addresses = [each.getsockname() for each in (received.admin, received.grpc[0])]
        received.close_all_but({received.admin})
        with socket.socket() as one, socket.socket() as other:
            assert one.connect_ex(addresses[0]) == 0
            assert other.connect_ex(addresses[1]) != 0
        assert not (tmp_path / "s").exists()
        received.admin.close()
