"""New connections all the time while certificates are replaced: `make certificates`.

A real `gatewright serve` with mutual TLS, four clients that do nothing but connect, and a tool that
replaces certificate and key again and again, by overwriting and by renaming. Prints a table.
"""

import argparse
import contextlib
import socket
import ssl
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from tests.contract.certificates import Authority, Pair, replace
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, policy, write_bundle

CLIENTS = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
NAME = "gatewright.example"


class Connected(NamedTuple):
    """One connection, until the server's first frame."""

    seconds: float
    serial: int
    """Of the certificate that was shown; 0: it failed."""


@dataclass
class Clients:
    """Threads that connect, one connection after the other."""

    address: str
    context: ssl.SSLContext
    made: list[Connected] = field(default_factory=list)
    last: int = 0
    """The serial that was shown last."""
    _ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        host, _, port = self.address.rpartition(":")
        while not self._ended.is_set():
            started, serial = time.monotonic(), 0
            with contextlib.suppress(OSError):
                serial = self._connect(host, int(port))
            self.made.append(Connected(time.monotonic() - started, serial))
            self.last = serial or self.last

    def _connect(self, host: str, port: int) -> int:
        with (
            socket.create_connection((host, port), 10) as plain,
            self.context.wrap_socket(plain, server_hostname=NAME) as wrapped,
        ):
            wrapped.sendall(PREFACE)
            shown = wrapped.getpeercert()
            return int(str(shown["serialNumber"]), 16) if wrapped.recv(9) and shown else 0

    def end(self) -> None:
        self._ended.set()


class Run(NamedTuple):
    """What one transport did."""

    quiet: Sequence[Connected]
    replacing: Sequence[Connected]
    taken_after: Sequence[float]
    """Seconds from the last write of each replacement to the first client that was shown it."""


def measure(transport: str, version: str, seconds: float) -> Run:
    """Connects for so many seconds without and with replacements."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = Authority(folder / "ca")
        first, client = _issue(authority, "server"), authority.issue("client")
        context = ssl.create_default_context(cafile=str(authority.cert))
        context.load_cert_chain(client.cert, client.key)
        context.set_alpn_protocols(["h2"])
        context.minimum_version = context.maximum_version = VERSIONS[version]
        environ = {
            "GATEWRIGHT_TLS__CERT": str(first.cert),
            "GATEWRIGHT_TLS__KEY": str(first.key),
            "GATEWRIGHT_TLS__CLIENT_CA": str(authority.cert),
        }
        bundle = write_bundle(folder / "bundle", {"all.yaml": policy("all", OPEN), **EVERYBODY})
        flags = ("--transport", transport)
        with closing(Serve(folder, bundle, *flags, environ=environ)) as serve:
            clients = Clients(serve.grpc, context)
            threads = [threading.Thread(target=clients.run) for _ in range(CLIENTS)]
            for each in threads:
                each.start()
            try:
                time.sleep(seconds)
                quiet = len(clients.made)
                taken_after: list[float] = []
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    new = _issue(authority, f"server{len(taken_after)}")
                    taken_after.append(_replace(clients, first, new, rename=len(taken_after) % 2))
            finally:
                clients.end()
                for each in threads:
                    each.join()
            return Run(clients.made[:quiet], clients.made[quiet:], taken_after)


def _issue(authority: Authority, name: str) -> Pair:
    return authority.issue(name, x509.DNSName(NAME))


def _replace(clients: Clients, used: Pair, new: Pair, *, rename: int) -> float:
    """Puts the new files in place, the key last; seconds until a client is shown them."""
    for path, content in ((used.cert, new.cert_bytes), (used.key, new.key_bytes)):
        if rename:
            replace(path, content)
        else:
            path.write_bytes(content)
    serial = x509.load_pem_x509_certificate(new.cert_bytes).serial_number
    started = time.monotonic()
    until(lambda: clients.last == serial, 20)
    return time.monotonic() - started


def _p99(made: Sequence[Connected]) -> float:
    return statistics.quantiles((each.seconds * 1000 for each in made), n=100)[98]


def main(arguments: Sequence[str]) -> int:
    """Prints the table; 1 if a connection failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20.0, help="of each half of each run")
    seconds: float = parser.parse_args(arguments).seconds
    failed = 0
    print(
        "| transport | TLS | connections | failed | replacements | in use after, median / worst "
        "| connected p99, quiet / replacing |"
    )
    print("|---|---|---|---|---|---|---|")
    for transport in ("own", "grpcio"):
        for version in VERSIONS:
            run = measure(transport, version, seconds)
            lost = sum(not each.serial for each in (*run.quiet, *run.replacing))
            failed += lost
            median, worst = statistics.median(run.taken_after), max(run.taken_after)
            print(
                f"| {transport} | {version} | {len(run.quiet) + len(run.replacing):,} | {lost} "
                f"| {len(run.taken_after)} | {median:.1f} s / {worst:.1f} s "
                f"| {_p99(run.quiet):.1f} ms / {_p99(run.replacing):.1f} ms |",
                flush=True,
            )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
