import socket
import stat
from pathlib import Path

import pytest

from callout.serve.address import Address, address_of, bind, parse, peer_text

GOOD = [
    ("127.0.0.1:9000", Address("127.0.0.1", 9000)),
    ("localhost:0", Address("localhost", 0)),
    ("[::1]:9000", Address("::1", 9000)),
    ("unix:/run/gate.sock", Address(path="/run/gate.sock")),
]
BAD = [
    "",
    "9000",
    ":9000",
    "localhost",
    "localhost:",
    "localhost:http",
    "localhost:65536",
    "localhost:-1",
    "localhost:\u0661",
    "::1:9000",
    "unix:",
    "unix:relative.sock",
]


@pytest.mark.parametrize(("text", "address"), GOOD)
def test_an_address_is_read_and_written_alike(text: str, address: Address) -> None:
    assert parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", BAD)
def test_anything_else_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected .*, found"):
        parse(text)


def test_all_rows_ran() -> None:
    assert (len(GOOD), len(BAD)) == (4, 12)


def test_a_free_port_is_found_and_known() -> None:
    with bind(Address("127.0.0.1", 0)) as bound:
        address = address_of(bound)

        assert address.host == "127.0.0.1"
        assert address.port > 0
        assert not bound.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)


def test_a_port_is_shared_only_when_it_is_wanted() -> None:
    with bind(Address("127.0.0.1", 0), reuse_port=True) as first:
        with bind(address_of(first), reuse_port=True) as second:
            assert address_of(second) == address_of(first)
        first.listen()
        with pytest.raises(OSError, match="in use"):
            bind(address_of(first))


def test_a_unix_socket_that_nobody_serves_is_replaced(tmp_path: Path) -> None:
    address = Address(path=str(tmp_path / "gate.sock"))
    bind(address).close()
    assert stat.S_ISSOCK((tmp_path / "gate.sock").stat().st_mode)

    with bind(address) as bound:
        assert address_of(bound) == address


def test_a_unix_socket_that_is_served_is_left_alone(tmp_path: Path) -> None:
    address = Address(path=str(tmp_path / "gate.sock"))
    with bind(address) as served:
        served.listen()
        with pytest.raises(OSError, match="in use"):
            bind(address)


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "gate.sock").write_text("precious")
    with pytest.raises(OSError, match="in use"):
        bind(Address(path=str(tmp_path / "gate.sock")))

    assert (tmp_path / "gate.sock").read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (("127.0.0.1", 40312), "127.0.0.1:40312"),
        (("::1", 40312, 0, 0), "[::1]:40312"),
        ("", "unix:"),
        (None, "unix:"),
    ],
)
def test_a_peer_has_one_form(name: object, text: str) -> None:
    assert peer_text(name) == text


def test_a_unix_socket_whose_server_is_overrun_is_in_use(tmp_path: Path) -> None:
    address = Address(path=str(tmp_path / "gate.sock"))
    with bind(address) as served, socket.socket(socket.AF_UNIX) as waiting:
        served.listen(0)
        waiting.connect(address.path)
        with pytest.raises(OSError, match="in use"):
            bind(address)
