"""URLs that name more than one server."""

import pytest

from callout.redis.servers import MOST, Address, address, read


def test_a_url_of_one_server_is_not_ours_to_read() -> None:
    assert read("redis://127.0.0.1") is read("unix:///run/redis.sock") is None


def test_sentinels_have_users_and_a_password_of_their_own_and_the_same_tls() -> None:
    servers = read(
        "rediss+sentinel://ann:p%40w@one,two:7,[::1]:8/limits"
        "?db=2&ssl_ca_certs=/ca.pem&sentinel_username=bob&sentinel_password=a%2Fb"
    )
    assert servers is not None
    assert (servers.kind, servers.master) == ("sentinel", "limits")
    assert servers.seeds == (Address("one", 26379), Address("two", 7), Address("::1", 8))
    data = servers.url(Address("ten", 6380))
    assert data == "rediss://ann:p%40w@ten:6380/?db=2&ssl_ca_certs=%2Fca.pem"
    assert servers.seed_url(servers.seeds[2]) == (
        "rediss://bob:a%2Fb@[::1]:8/?ssl_ca_certs=%2Fca.pem"
    )


def test_the_user_of_the_data_is_not_shown_to_sentinels() -> None:
    servers = read("redis+sentinel://ann:s3cret@one/limits")
    assert servers is not None
    assert servers.seed_url(servers.seeds[0]) == "redis://one:26379/"


def test_nodes_of_a_cluster_have_one_login() -> None:
    servers = read("redis+cluster://ann:pw@one,two:7000?ssl_ca_certs=x")
    assert servers is not None
    assert servers.kind == "cluster"
    assert servers.seeds == (Address("one", 6379), Address("two", 7000))
    assert servers.seed_url(servers.seeds[1]) == servers.url(Address("two", 7000))
    assert servers.url(Address("two", 7000)) == "redis://ann:pw@two:7000/?ssl_ca_certs=x"


@pytest.mark.parametrize(
    "url",
    [
        "http+sentinel://s3cret",
        "redis+other://s3cret",
        "redis+sentinel://s3cret",
        "redis+sentinel://s3cret/",
        "redis+sentinel://s3cret/limits/1",
        "redis+sentinel://:s3cret@/limits",
        "redis+sentinel://:s3cret@one,,two/limits",
        "redis+sentinel://:s3cret@one:0/limits",
        "redis+sentinel://:s3cret@one:x/limits",
        "redis+sentinel://:s3cr#et@one/limits",
        "redis+cluster://s3cret/1",
        "redis+cluster://s3cret?db=1",
        "redis+cluster://one?sentinel_password=s3cret",
        "redis+cluster://" + ",".join(["s3cret"] * (MOST + 1)),
    ],
)
def test_a_wrong_one_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError) as refused:
        read(url)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one:7", Address("one", 7)),
        ("[::1]:7", Address("::1", 7)),
        ("::1:7", Address("::1", 7)),
        ("one", Address("one", 5)),
        ("[::1]", Address("::1", 5)),
    ],
)
def test_addresses(text: str, expected: Address) -> None:
    assert address(text, 5) == expected
    assert address(str(expected)) == expected
