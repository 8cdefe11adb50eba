"""TLS handshakes of our own transport: what each begins with, and how those that fail are counted.

A listener is given one `Handshakes`, for good; each connection begins with the context of that
moment. So new certificates are one assignment: no listener is replaced and nothing waits in
between. A context is never changed: `load_verify_locations` only adds, so an authority would stay
for ever; and the keys of session tickets are the context's own, so no session outlives a
replacement to let in a client of an authority that is gone.
"""

import os
import ssl
import time
from contextvars import ContextVar
from typing import Any, Final

import structlog

from callout.observe.paced import Paced
from callout.serve.certificates import Certificates
from callout.serve.counters import Counters
from callout.serve.tls import ALPN, ServerTls

_log = structlog.get_logger("callout.serve")

PEER: Final = ContextVar("PEER", default="")
"""The address whose connection is being made: the loops tell `wrap_bio` nothing of it, but call it
in the context of the task that made them begin."""
CIPHERS = "@SECLEVEL=2:ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: authenticated encryption with forward secrecy. Level 2 refuses what is weaker than
112 bits in the certificates of clients too: RSA below 2048 bits, SHA-1."""
PIECE = 1024
"""Bytes that OpenSSL is given at once: 38 changes of keys, 1.5 ms."""
SILENT = 64
"""Records without data that a connection may send, ever: changes of keys, empty ones, alerts.
BoringSSL allows 32 changes in a row."""
HEADER = 5
"""Bytes of a record before its contents: type, version, and length in the last two (RFC 8446,
section 5.1)."""
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_WORDS = {
    "CERTIFICATE_VERIFY_FAILED": "tls_certificate",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "tls_no_certificate",
    "UNSUPPORTED_PROTOCOL": "tls_version",
    "VERSION_TOO_LOW": "tls_version",
    "NO_SHARED_CIPHER": "tls_cipher",
    "NO_APPLICATION_PROTOCOL": "alpn",
    "HTTP_REQUEST": "not_tls",
    "HTTPS_PROXY_REQUEST": "not_tls",
    "WRONG_VERSION_NUMBER": "not_tls",
    "EXCESSIVE_MESSAGE_SIZE": "tls_too_large",
    "TOO_MANY_KEY_UPDATES": "tls_key_updates",
}
"""OpenSSL's reasons as words of the counter; the rest is `tls_handshake`."""


class Handshakes(ssl.SSLContext):
    """The context of a listener; connections get another, that of the moment."""

    _now: "_Context"
    _tls: ServerTls
    _failures: "_Failures"

    @classmethod
    def of(cls, tls: ServerTls, certificates: Certificates, counters: Counters) -> "Handshakes":
        """Raises OSError (ssl.SSLError) if OpenSSL does not take the certificates."""
        made = cls(ssl.PROTOCOL_TLS_SERVER)
        made._tls, made._failures = tls, _Failures(counters)
        made.renew(certificates)
        return made

    def renew(self, certificates: Certificates) -> None:
        """Use these for connections that come from now on; raises as `of`, and keeps the former."""
        self._now = _context(self._tls, certificates, self._failures)

    def is_former(self, session: ssl.SSLObject) -> bool:
        """Whether the client was verified by authorities that were replaced since."""
        used = session.context
        return isinstance(used, _Context) and used.client_ca != self._now.client_ca

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Called by asyncio and by uvloop for each connection."""
        within = ssl.MemoryBIO()
        made = self._now.wrap_bio(within, outgoing, server_side, server_hostname, session)
        assert isinstance(made, _Guarded)  # noqa: S101  # of our context
        made.feed(incoming, within, PEER.get())
        return made


def context(tls: ServerTls, certificates: Certificates) -> ssl.SSLContext:
    """OpenSSL's own judgement of the certificates, before anybody is given them.

    Raises:
        OSError: (ssl.SSLError) it does not take them.
    """
    return _context(tls, certificates, _Failures(Counters()))


class _Failures:
    """Handshakes that failed: each counted, a log line of a reason a second."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._paced = Paced()

    def failed(self, error: ssl.SSLError, peer: str) -> None:
        word = _WORDS.get(error.reason or "", "tls_handshake")
        self._counters.close(word)
        if (silent := self._paced.due(word, time.monotonic())) is not None:
            # OpenSSL's own words; nothing that the peer sent is in them.
            why = getattr(error, "verify_message", "") or error.reason or type(error).__name__
            _log.warning("a TLS handshake failed", reason=word, error=why, peer=peer, silent=silent)


class _Context(ssl.SSLContext):
    failures: _Failures
    client_ca: bytes | None


class _Guarded(ssl.SSLObject):
    """One connection: what it may make OpenSSL do is bounded, and its errors are counted.

    In TLS 1.3 a client may change its keys whenever it likes (KeyUpdate, 27 bytes), which costs us
    40 us each time. BoringSSL bounds that; OpenSSL has no bound, and tells nobody: it goes on
    within one read for as long as there are bytes. Measured with uvloop: one such connection held
    up all others for 20 seconds. So OpenSSL is given little at a time, and what turns out to be no
    data is bounded. Nobody needs it: keys of AES-GCM last for 16 million records.

    asyncio and uvloop drop an error of a handshake without a word; it passes here first.
    """

    _incoming: ssl.MemoryBIO
    _within: ssl.MemoryBIO
    _peer: str
    _silent = 0
    """Records that OpenSSL was given and that were no data: so far, for the last may be."""
    _ahead = 0
    """Bytes until the next record begins."""
    _begun = b""
    """What is here of its header."""
    _bounded = False

    def feed(self, incoming: ssl.MemoryBIO, within: ssl.MemoryBIO, peer: str) -> None:
        """What comes goes from `incoming`, which the loop fills, to `within`, which OpenSSL reads.

        Called once, before anything is read; `peer` is the address to name in the log.
        """
        self._incoming, self._within, self._peer = incoming, within, peer

    def do_handshake(self) -> None:
        """As in the class above; raises its errors."""
        try:
            while True:
                try:
                    super().do_handshake()
                    break
                except ssl.SSLWantReadError:
                    if not self._more():
                        raise
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._failed(error)
            raise
        self._silent = 0
        self._bounded = self.version() == "TLSv1.3"

    def read(self, most: int = 1024, buffer: Any = None) -> Any:
        """As in the class above; raises its errors."""
        if not self._within.pending:
            self._more()
        while True:
            try:
                found: bytes | int = super().read(most, buffer)
            except ssl.SSLWantReadError:
                if not self._more():
                    raise
            else:
                # OpenSSL gives what is in one record, and the loops ask for all of it.
                self._silent -= 1
                return found

    def pending(self) -> int:
        """What is left to read: the loops ask, and would not know of what OpenSSL was given."""
        return super().pending() + self._within.pending

    def unwrap(self) -> None:
        """As in the class above; raises its errors."""
        while True:
            try:
                super().unwrap()
                return
            except ssl.SSLWantReadError:
                if not self._more():
                    raise

    def _more(self) -> bool:
        piece = self._incoming.read(PIECE)
        if not piece:
            return False
        if self._bounded and self._silent > SILENT:
            error = ssl.SSLError(ssl.SSL_ERROR_SSL, "too many messages that are no data")
            error.reason = "TOO_MANY_KEY_UPDATES"
            self._failed(error)
            raise error
        self._silent += self._records(piece)
        self._within.write(piece)
        return True

    def _records(self, piece: bytes) -> int:
        """How many begin in what comes next."""
        known, at, found = self._begun + piece, self._ahead, 0
        while at + HEADER <= len(known):
            at += HEADER + int.from_bytes(known[at + HEADER - 2 : at + HEADER], "big")
            found += 1
        self._begun = known[at:]
        self._ahead = max(0, at - len(known))
        return found

    def _failed(self, error: ssl.SSLError) -> None:
        if isinstance(used := self.context, _Context):
            used.failures.failed(error, self._peer)


def _context(tls: ServerTls, certificates: Certificates, failures: _Failures) -> _Context:
    made = _Context(ssl.PROTOCOL_TLS_SERVER)
    made.failures, made.client_ca = failures, certificates.client_ca
    made.sslobject_class = _Guarded
    made.minimum_version = _VERSIONS[tls.min_version]
    made.set_ciphers(CIPHERS)
    # Of TLS 1.2 only: a handshake within a connection costs us ten times what it costs the peer.
    made.options |= ssl.OP_NO_RENEGOTIATION
    # TLS 1.3: every handshake is a whole one. 1.2: tickets, by a key of this context alone; without
    # them OpenSSL would keep 20,000 sessions in memory instead.
    made.num_tickets = 0
    made.set_alpn_protocols([ALPN])
    _load_pair(made, certificates)
    if tls.client_ca is not None:
        optional = tls.client == "optional"
        made.verify_mode = ssl.CERT_OPTIONAL if optional else ssl.CERT_REQUIRED
        try:
            authorities = (certificates.client_ca or b"").decode("ascii", "ignore")
            made.load_verify_locations(cadata=authorities)
        except ValueError as error:
            raise ssl.SSLError(f"tls.client_ca: {error}") from error
    return made


def _load_pair(made: ssl.SSLContext, certificates: Certificates) -> None:
    """`ssl` reads a key from files only: these are in memory, and gone with their descriptors."""
    cert, key = os.memfd_create("cert"), os.memfd_create("key")
    try:
        for descriptor, content in ((cert, certificates.cert), (key, certificates.key)):
            with open(descriptor, "wb", closefd=False) as file:
                file.write(content)
        # A password that is given, and wrong, keeps OpenSSL from asking at the terminal.
        made.load_cert_chain(f"/proc/self/fd/{cert}", f"/proc/self/fd/{key}", password="")
    finally:
        os.close(cert)
        os.close(key)
