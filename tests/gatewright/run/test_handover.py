"""What a predecessor hands over arrives: the same sockets, in order, however many."""

import os
import socket

import msgspec
import pytest

from gatewright.run import handover
from gatewright.run.handover import Heritage, Listens, Outcome


def heritage(sockets: int) -> Heritage:
    return Heritage("1", "/tmp/x", 3, {"loaded": 2}, Listens("a:1", "kernel", "b:2"), sockets)


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
        received.tell("why not")
        assert msgspec.json.decode(ours.recv(1000), type=Outcome).problem == "why not"
        for each in (*found, *bound):
            each.close()
    assert handover.VARIABLE not in os.environ


def test_a_first_start_inherits_nothing() -> None:
    assert handover.received() is None


def test_a_predecessor_that_died_halfway_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.send(msgspec.json.encode(heritage(2)))
    ours.close()
    monkeypatch.setenv(handover.VARIABLE, str(theirs.detach()))
    with pytest.raises(OSError, match="gone"):
        handover.received()
