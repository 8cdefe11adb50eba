"""Who listens where: each worker its own share of a port that is ours alone."""

import errno
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from callout.serve.address import Address
from gatewright.run.sockets import Spread, places

LOOPBACK = Address(host="127.0.0.1")


def test_workers_share_a_port_by_a_socket_each() -> None:
    shared = places(LOOPBACK, 3, reuse_port=True)
    flat = [each for (each,) in shared]
    assert len({each.fileno() for each in flat}) == 3
    assert len({each.getsockname() for each in flat}) == 1
    for each in flat:
        each.close()


@pytest.mark.parametrize("reuse_port", [True, False])
def test_the_port_of_another_service_is_not_shared(reuse_port: bool) -> None:
    (taken,), (other,) = places(LOOPBACK, 2, reuse_port=True)
    host, port = taken.getsockname()
    taken.listen()
    with pytest.raises(OSError) as error:
        places(Address(host=host, port=port), 2, reuse_port=reuse_port)
    assert error.value.errno == errno.EADDRINUSE
    taken.close()
    other.close()


def test_workers_accept_from_one_unix_socket(tmp_path: Path) -> None:
    (one,), (two,) = places(Address(path=str(tmp_path / "s")), 2, reuse_port=True)
    assert one is two
    one.close()


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
@pytest.mark.parametrize("spread", ["kernel", "addresses"])
def test_every_inherited_socket_goes_to_some_worker(spread: Spread, workers: int) -> None:
    def made(count: int, inherited: Sequence[socket.socket] = ()) -> list[list[socket.socket]]:
        return places(LOOPBACK, count, reuse_port=True, spread=spread, inherited=inherited)

    before = [each for place in made(3) for each in place]
    after = made(workers, before)
    assert len(after) == workers
    assert all(after)
    flat = {id(each): each for place in after for each in place}
    assert {id(each) for each in before} <= flat.keys()
    # One more worker has one more address of its own, or shares the one there is.
    addresses = {each.getsockname() for each in flat.values()}
    assert len(addresses) == (1 if spread == "kernel" else max(3, workers))
    for each in flat.values():
        each.close()


def test_a_port_that_was_not_shared_is_shared_by_its_one_socket() -> None:
    [[only]] = places(LOOPBACK, 1, reuse_port=False)
    assert places(LOOPBACK, 2, reuse_port=True, inherited=[only]) == [[only], [only]]
    only.close()


def test_each_worker_has_a_port_of_its_own_beside_the_others(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        first = probe.getsockname()[1]
    own = places(Address("127.0.0.1", first), 3, reuse_port=True, spread="addresses")
    assert [each.getsockname()[1] for (each,) in own] == [first, first + 1, first + 2]
    paths = places(Address(path=str(tmp_path / "s")), 2, reuse_port=True, spread="addresses")
    assert [each.getsockname() for (each,) in paths] == [f"{tmp_path}/s.0", f"{tmp_path}/s.1"]
    for (each,) in (*own, *paths):
        each.close()
