"""Who we are to Redis, from a file that may be replaced: read for each connection."""

from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode

from redis.credentials import CredentialProvider

PARAMETER: Final = "auth_file"
"""Of a URL: `redis://host:6379?auth_file=/run/secrets/redis`."""
MOST: Final = 8192
"""Bytes that are read of it."""


class AuthFile(CredentialProvider):
    """`user:password`, or a password alone; what ends the line does not count."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """As redis-py asks for them.

        Raises:
            OSError: It cannot be read.
            ValueError: It is empty; the text never holds a part of it.
        """
        with self._path.open("rb") as file:
            text = file.read(MOST + 1).decode("utf-8", "replace").rstrip("\r\n")
        if not text or len(text) > MOST:
            raise ValueError("expected a password in the file of auth_file")
        user, colon, password = text.partition(":")
        return (user, password) if colon and user else (password if colon else user,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """The same: a small file, now and then."""
        return self.get_credentials()


def split(url: str) -> tuple[str, AuthFile | None]:
    """The URL without the parameter, and what it says; None: nothing.

    Raises:
        ValueError: There is a user or a password in the URL, too.
    """
    place, question, query = url.partition("?")
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    path = parameters.pop(PARAMETER, "")
    if not question or not path:
        return url, None
    if "@" in place or not parameters.keys().isdisjoint(("username", "password")):
        raise ValueError("expected no user and no password beside auth_file")
    return f"{place}?{urlencode(parameters)}" if parameters else place, AuthFile(Path(path))
