"""What the environment of envoyproxy/ratelimit says of a Redis, as a URL of ours. Pure.

`REDIS_` is about the one with the counters, `REDIS_PERSECOND_` about the one of limits per second.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias
from urllib.parse import quote, urlencode

Wrong: TypeAlias = Callable[[str, str], None]
"""Told of each variable that is wrong, and how."""

_HOST_PORT: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*):[0-9]{1,5}")


def redis_url(
    prefix: str, text: Callable[[str], str], on: Callable[[str], bool], wrong: Wrong
) -> str:
    """The URL; empty: it is not said where it is, or something is wrong.

    Args:
        prefix: of the variables' names, with its `_`.
        text: of a variable; empty: it is not set.
        on: whether a variable is set to true.
        wrong: takes what is wrong; never told a value.
    """
    return _Reading(prefix, text, on, wrong).url()


class _Reading:
    def __init__(
        self, prefix: str, text: Callable[[str], str], on: Callable[[str], bool], wrong: Wrong
    ) -> None:
        self._prefix = prefix
        self._text = text
        self._on = on
        self._wrong = wrong

    def _said(self, name: str) -> str:
        return self._text(self._prefix + name)

    def _refuse(self, name: str, message: str) -> str:
        self._wrong(self._prefix + name, message)
        return ""

    def url(self) -> str:
        url, prefix = self._said("URL"), self._prefix
        if not url:
            if any(self._said(name) for name in ("AUTH", "AUTH_FILE", "TYPE")) or self._tls:
                return self._refuse("URL", "expected an address beside what is said of Redis")
            return ""
        if "://" in url:
            return self._refuse("URL", "expected an address; a URL is for the setting `redis`")
        if self._said("AUTH") and self._said("AUTH_FILE"):
            return self._refuse("AUTH_FILE", f"expected one of it and {prefix}AUTH")
        kind = (self._said("TYPE") or "single").lower()
        if kind == "single":
            return self._single(url)
        if kind == "sentinel":
            return self._sentinel(url)
        if kind == "cluster":
            return self._servers("cluster", url, "", {})
        return self._refuse("TYPE", "expected SINGLE, SENTINEL or CLUSTER")

    @property
    def _tls(self) -> bool:
        return self._on(f"{self._prefix}TLS")

    def _single(self, url: str) -> str:
        socket_type = (self._said("SOCKET_TYPE") or "unix").lower()
        if socket_type == "unix":
            if self._tls:
                return self._refuse("TLS", f"expected {self._prefix}SOCKET_TYPE tcp beside it")
            if not url.startswith("/"):
                message = f"expected `/path`, or {self._prefix}SOCKET_TYPE tcp beside it"
                return self._refuse("URL", message)
            return f"unix://{self._account()}{quote(url)}{_query(self._file())}"
        if socket_type != "tcp":
            return self._refuse("SOCKET_TYPE", "expected tcp or unix")
        if not _HOST_PORT.fullmatch(url):
            return self._refuse("URL", "expected one `host:port`")
        return self._whole("", url if not url.startswith(":") else f"localhost{url}", {})

    def _sentinel(self, url: str) -> str:
        master, _, hosts = url.partition(",")
        login = {}
        if auth := self._said("SENTINEL_AUTH"):
            user, password = _account(auth)
            login = {"sentinel_username": user} if user else {}
            login["sentinel_password"] = password
        return self._servers("sentinel", hosts, f"/{quote(master, '')}", login)

    def _servers(self, kind: str, hosts: str, path: str, more: Mapping[str, str]) -> str:
        if all(_HOST_PORT.fullmatch(each) and each[0] != ":" for each in hosts.split(",")):
            return self._whole(f"+{kind}", hosts + path, more)
        if kind == "sentinel":
            message = "expected the name of the master and `host:port` of Sentinels"
            return self._refuse("URL", message)
        return self._refuse("URL", "expected `host:port` of nodes, separated by commas")

    def _whole(self, kind: str, place: str, more: Mapping[str, str]) -> str:
        parameters = {**(self._files() if self._tls else {}), **self._file(), **more}
        scheme = f"{'rediss' if self._tls else 'redis'}{kind}"
        return f"{scheme}://{self._account()}{place}{_query(parameters)}"

    def _account(self) -> str:
        user, password = _account(self._said("AUTH"))
        return f"{quote(user, '')}:{quote(password, '')}@" if password else ""

    def _file(self) -> dict[str, str]:
        path = self._said("AUTH_FILE")
        return {"auth_file": path} if path else {}

    def _files(self) -> dict[str, str]:
        """Of TLS, as redis-py takes them in a URL: the same for both, as there."""
        files = {
            "ssl_certfile": self._text("REDIS_TLS_CLIENT_CERT"),
            "ssl_keyfile": self._text("REDIS_TLS_CLIENT_KEY"),
            "ssl_ca_certs": self._text("REDIS_TLS_CACERT"),
        }
        found = {name: path for name, path in files.items() if path}
        if self._on("REDIS_TLS_SKIP_HOSTNAME_VERIFICATION"):
            found["ssl_check_hostname"] = "false"
        return found


def _query(parameters: Mapping[str, str]) -> str:
    return f"?{urlencode(parameters)}" if parameters else ""


def _account(text: str) -> tuple[str, str]:
    """User and password of `user:password`, or of the password alone."""
    user, colon, password = text.partition(":")
    return (user, password) if colon else ("", user)
