"""`auth_file`: a password that may be replaced while we run."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest
import redis

from callout.redis.auth_file import MOST, AuthFile, split
from callout.redis.connection import connection
from callout.redis.pipeline import pack
from callout.redis.servers import read
from callout.testing.redis import RedisServer
from tests.callout.redis.asking import PATIENT, ask, started

WHO = pack(b"ACL", b"WHOAMI")


async def test_a_password_that_is_replaced_is_read_for_the_next_connection(tmp_path: Path) -> None:
    file = tmp_path / "auth"
    file.write_text("first\n")
    with closing(RedisServer(tmp_path, password="first")) as server:
        url = f"redis://{server.address}?db=1&auth_file={file}"
        async with started(connection(url, PATIENT)) as client:
            assert await ask(client, WHO) == [b"default"]
            file.write_text("ann:second")
            with redis.Redis.from_url(server.url) as other:
                other.execute_command("ACL", "SETUSER", "ann", "on", ">second", "~*", "+@all")
                other.execute_command("CLIENT", "KILL", "SKIPME", "yes", "TYPE", "normal")
            for _ in range(1000):
                if await ask(client, WHO) == [b"ann"]:
                    break
                await asyncio.sleep(0.02)
            assert await ask(client, WHO) == [b"ann"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("secret", ("secret",)),
        ("secret\r\n", ("secret",)),
        (":secret", ("secret",)),
        ("ann:se:cret\n", ("ann", "se:cret")),
    ],
)
def test_what_a_file_says(tmp_path: Path, text: str, found: tuple[str, ...]) -> None:
    (tmp_path / "auth").write_text(text)

    assert AuthFile(tmp_path / "auth").get_credentials() == found


@pytest.mark.parametrize("text", ["", "\n", "s" * (MOST + 1)])
def test_a_file_without_a_password_is_told_without_its_content(tmp_path: Path, text: str) -> None:
    (tmp_path / "auth").write_text(text)

    with pytest.raises(ValueError, match="expected a password in the file of auth_file"):
        AuthFile(tmp_path / "auth").get_credentials()


def test_a_url_with_two_passwords_is_refused() -> None:
    with pytest.raises(ValueError, match="beside auth_file"):
        connection("redis://:secret@localhost?auth_file=/x")
    assert split("redis://localhost/1?db=2") == ("redis://localhost/1?db=2", None)


def test_it_is_for_the_servers_with_the_data_and_not_for_sentinels() -> None:
    servers = read("redis+sentinel://a:1,b:2/main?auth_file=/x&ssl_check_hostname=false")

    assert servers is not None
    assert servers.query == "?auth_file=%2Fx&ssl_check_hostname=false"
    assert servers.seed_query == "?ssl_check_hostname=false"
