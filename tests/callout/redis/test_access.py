"""Who we are to Redis: users with few rights, TLS, certificates; one server, Sentinel, Cluster."""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import redis

from callout.redis.connection import connection
from callout.redis.pipeline import ErrorReply, pack
from callout.testing.redis import RedisServer, until
from callout.testing.redis_sentinel import Sentinel
from tests.callout.redis.asking import PATIENT, ask, started

PAGE = Path(__file__).resolve().parents[3] / "docs/operations.md"
COUNTED = pack(b"INCRBY", b"rl:n", b"1")


def rights() -> list[str]:
    """What the page says that a user needs."""
    line = next(each for each in PAGE.read_text().splitlines() if each.startswith("A user needs "))
    words = re.findall(r"`([^`]+)`", line)
    return [f"~{each}" if ":" in each else f"+{each.lower().replace(' ', '|')}" for each in words]


def tls(folder: Path, port: int) -> list[str]:
    """Arguments of a server that wants certificates of its clients."""
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    return [
        *("--tls-port", str(port), "--tls-auth-clients", "yes"),
        *("--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert),
    ]


def parameters(folder: Path, own: bool = True) -> str:
    cert, key = folder / "cert.pem", folder / "key.pem"
    return f"?ssl_ca_certs={cert}" + (f"&ssl_certfile={cert}&ssl_keyfile={key}" if own else "")


async def test_a_user_with_the_rights_of_the_page_counts_and_can_do_nothing_else(
    private_redis: RedisServer,
) -> None:
    with private_redis.client() as admin:
        admin.execute_command("ACL", "SETUSER", "limits", "on", ">pw", "-@all", *rights())
    async with started(connection(f"redis://limits:pw@{private_redis.address}", PATIENT)) as client:
        assert client.state == "closed"
        ours = [pack(b"INCRBY", b"rl:n", b"2"), pack(b"EXPIRE", b"rl:n", b"9")]
        assert await ask(client, *ours, pack(b"GET", b"rl:n")) == [2, 1, b"2"]
        foreign = await ask(client, pack(b"GET", b"other"), pack(b"FLUSHALL"))
        assert [each.message[:6] for each in foreign] == ["NOPERM", "NOPERM"]


async def test_a_server_that_wants_certificates_gets_ours(
    tmp_path: Path, certificate: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    with closing(RedisServer(tmp_path, tls(certificate, port))):
        url = f"rediss://127.0.0.1:{port}"
        async with started(connection(url + parameters(certificate), PATIENT)) as client:
            assert await ask(client, COUNTED) == [1]
        async with started(connection(url + parameters(certificate, own=False), PATIENT)) as client:
            assert (await ask(client, COUNTED)).reason == "disconnected"


async def test_sentinels_and_their_master_have_the_same_tls(
    tmp_path: Path, certificate: Path, free_port: Callable[[], int]
) -> None:
    port, sentinel_port = free_port(), free_port()
    for each in ("a", "s"):
        (tmp_path / each).mkdir()
    arguments = tls(certificate, sentinel_port)
    lines = [" ".join(pair)[2:] for pair in zip(arguments[::2], arguments[1::2], strict=True)]
    with (
        closing(RedisServer(tmp_path / "a", tls(certificate, port))) as server,
        closing(
            Sentinel(tmp_path / "s", server, "plain", [*lines, "tls-replication yes"])
        ) as guard,
    ):
        with redis.Redis(port=guard.port) as client:
            client.sentinel_monitor("limits", "127.0.0.1", port, 1)
        url = f"rediss+sentinel://127.0.0.1:{sentinel_port}/limits"
        async with started(connection(url + parameters(certificate), PATIENT)) as client:
            assert await ask(client, COUNTED) == [1]


async def test_a_cluster_has_tls_and_a_user_with_few_rights(
    tmp_path: Path, certificate: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    arguments = ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]
    arguments += ["--tls-cluster", "yes", *tls(certificate, port)]
    with closing(RedisServer(tmp_path, arguments)) as server:
        with server.client() as admin:
            admin.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
            admin.execute_command("ACL", "SETUSER", "limits", "on", ">pw", "-@all", *rights())
            until(lambda: admin.cluster("INFO")["cluster_state"] == "ok", 20.0)
        url = f"rediss+cluster://limits:pw@127.0.0.1:{port}{parameters(certificate)}"
        async with started(connection(url, PATIENT)) as client:
            assert await ask(client, COUNTED, pack(b"GET", b"rl:n")) == [1, b"1"]
            (refused,) = await ask(client, pack(b"GET", b"other"))
            assert isinstance(refused, ErrorReply)
            assert client.state == "closed"


@pytest.mark.parametrize(
    "url", ["redis+sentinel://one/limits?no_such=1", "rediss+cluster://one?no_such=1"]
)
def test_a_parameter_that_nobody_knows_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError):
        connection(url)
