"""TLS of the listener: our certificate, and which client certificates are let in."""

import contextlib
import os
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ALPN = "h2"


@dataclass(frozen=True, slots=True)
class ServerTls:
    """Files and names; nothing is read before `context`.

    Raises:
        ValueError: `client_san` without `client_ca`: names of unverified certificates say nothing.
    """

    cert: Path
    """Our certificate, with its chain, PEM."""
    key: Path
    """Its private key, PEM, not encrypted."""
    client_ca: Path | None = None
    """Authorities whose client certificates are accepted, PEM. None: no client certificate is
    asked for; with it, one is required."""
    client_san: tuple[str, ...] = ()
    """Subject alternative names, of which a client's certificate must have one: URIs
    (`spiffe://mesh/ns/edge/sa/gateway`) or DNS names, compared exactly. Empty: any."""

    def __post_init__(self) -> None:
        if self.client_san and self.client_ca is None:
            raise ValueError("client_san needs client_ca")

    def context(self) -> ssl.SSLContext:
        """Read the files.

        Raises:
            OSError: a file cannot be read, or (ssl.SSLError) is not what it should be; it is
                named.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        with _naming(self.cert, self.key):
            context.load_cert_chain(self.cert, self.key)
        context.set_alpn_protocols([ALPN])
        if self.client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            with _naming(self.client_ca):
                context.load_verify_locations(self.client_ca)
        return context

    def admits(self, names: Iterable[tuple[str, str]]) -> bool:
        """Whether a verified client certificate with these names may come in.

        Args:
            names: (kind, value), kinds `URI` and `DNS` count, as in `ssl.SSLSocket.getpeercert`.
        """
        if not self.client_san:
            return True
        offered = set(names)
        return any(
            ("URI" if "://" in wanted else "DNS", wanted) in offered for wanted in self.client_san
        )

    def state_of_files(self) -> tuple[tuple[int, int], ...]:
        """A value that changes when one of the files is replaced; raises OSError if one is gone."""
        files = [each for each in (self.cert, self.key, self.client_ca) if each is not None]
        stats = [os.stat(each) for each in files]
        return tuple((each.st_ino, each.st_mtime_ns) for each in stats)


@contextlib.contextmanager
def _naming(*files: Path) -> Iterator[None]:
    """The `ssl` module's errors say neither which file is missing nor which is wrong."""
    for each in files:
        each.open("rb").close()
    try:
        yield
    except ssl.SSLError as error:
        named = ", ".join(str(each) for each in files)
        raise ssl.SSLError(error.errno, f"{named}: {error}") from error
