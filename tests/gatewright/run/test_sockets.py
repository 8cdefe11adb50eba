"""Who listens where: each worker its own share of a port that is ours alone."""

import errno
from pathlib import Path

import pytest

from callout.serve.address import Address
from gatewright.run.sockets import places

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
