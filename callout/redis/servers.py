"""Which servers a URL names: one, the Sentinels of a master, or nodes of a Cluster. Pure."""

from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode

from callout.redis.auth_file import PARAMETER

MOST: int = 64
"""Servers that one URL may name: each has a connection of its own in each worker."""

_SENTINEL_PORT = 26379
_PORT = 6379


class Address(NamedTuple):
    """Where one server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Servers(NamedTuple):
    """What a URL with `+sentinel` or `+cluster` says."""

    kind: Literal["sentinel", "cluster"]
    seeds: tuple[Address, ...]
    """The Sentinels, or some nodes of the Cluster."""
    master: str
    """The name by which Sentinels know the master; empty for a Cluster."""
    scheme: str
    """`redis`, or `rediss`: TLS to all of them."""
    login: str
    """`user:password@` of the servers that hold the data, escaped; or empty."""
    seed_login: str
    """The same for the seeds: Sentinels have users of their own."""
    query: str
    """redis-py's parameters, for the servers that hold the data."""
    seed_query: str
    """The same for the seeds."""

    def url(self, address: Address) -> str:
        """The URL of one server that holds data."""
        return f"{self.scheme}://{self.login}{address}/{self.query}"

    def seed_url(self, address: Address) -> str:
        """The URL of one of the seeds."""
        return f"{self.scheme}://{self.seed_login}{address}/{self.seed_query}"


def read(url: str) -> Servers | None:
    """What the URL says; None: it is the URL of one server.

    `redis+sentinel://[user:password@]host[:port],host[:port]/MASTER` and
    `redis+cluster://[user:password@]host[:port],host[:port]`, with `rediss+` for TLS. Parameters
    are redis-py's; `sentinel_username` and `sentinel_password` log in to the Sentinels.

    Raises:
        ValueError: neither. The text never holds a part of the URL: it may be the password.
    """
    whole, _, rest = url.partition("://")
    scheme, plus, kind = whole.partition("+")
    if not plus:
        return None
    if scheme not in ("redis", "rediss") or kind not in ("sentinel", "cluster"):
        raise ValueError("expected redis+sentinel://, redis+cluster://, or either with rediss")
    rest, _, query = rest.partition("?")
    if "#" in rest + query:
        raise ValueError("expected # of a password or a name escaped: %23")
    places, _, path = rest.partition("/")
    login, at, hosts = places.rpartition("@")
    port = _SENTINEL_PORT if kind == "sentinel" else _PORT
    seeds = tuple([address(each, port) for each in hosts.split(",")])
    if len(seeds) > MOST:
        raise ValueError(f"expected {MOST} servers at most")
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    user, password = [parameters.pop(f"sentinel_{each}", "") for each in ("username", "password")]
    if kind == "sentinel":
        if not path or "/" in path:
            raise ValueError("expected the name of the master behind the Sentinels: host:port/NAME")
        seed_login = f"{_quoted(user)}:{_quoted(password)}@" if user or password else ""
        of_data = ("db", PARAMETER)
        seed_query = {key: each for key, each in parameters.items() if key not in of_data}
        return Servers(
            "sentinel", seeds, unquote(path), scheme, login + at, seed_login,
            _asked(parameters), _asked(seed_query),
        )  # fmt: skip
    if path or "db" in parameters:
        raise ValueError("expected no database: a Cluster has only one")
    if user or password:
        raise ValueError("expected no Sentinel's password for a Cluster")
    asked = _asked(parameters)
    return Servers("cluster", seeds, "", scheme, login + at, login + at, asked, asked)


def address(text: str, port: int | None = None) -> Address:
    """Reads `host:port`, `[::1]:port`, and as Redis itself writes it, `::1:port`.

    Args:
        text: the address.
        port: if it names none.

    Raises:
        ValueError: it is none.
    """
    host, colon, number = text.rpartition(":")
    if text.endswith("]") or not colon:
        host, colon, number = text, "", str(port or "")
    if not host.strip("[]") or not (number.isascii() and number.isdigit()):
        raise ValueError("expected host:port of each server")
    if not 0 < int(number) < 65536:
        raise ValueError("expected a port from 1 to 65535 of each server")
    return Address(host.strip("[]"), int(number))


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _asked(parameters: dict[str, str]) -> str:
    return f"?{urlencode(parameters)}" if parameters else ""
