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

import structlog

from callout.serve.certificates import Certificates
from callout.serve.counters import Counters
from callout.serve.tls import ALPN, ServerTls

_log = structlog.get_logger("callout.serve")

LOG_EVERY = 1.0
"""Seconds between two lines: whoever reaches the port can fail handshakes by the thousand."""
CIPHERS = "@SECLEVEL=2:ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: authenticated encryption with forward secrecy. Level 2 refuses what is weaker than
112 bits in the certificates of clients too: RSA below 2048 bits, SHA-1."""
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
        return self._now.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def context(tls: ServerTls, certificates: Certificates) -> ssl.SSLContext:
    """OpenSSL's own judgement of the certificates, before anybody is given them.

    Raises:
        OSError: (ssl.SSLError) it does not take them.
    """
    return _context(tls, certificates, _Failures(Counters()))


class _Failures:
    """Handshakes that failed: each counted, logged at a bounded rate."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._next = 0.0
        self._silent = 0

    def failed(self, error: ssl.SSLError) -> None:
        word = _WORDS.get(error.reason or "", "tls_handshake")
        self._counters.close(word)
        now = time.monotonic()
        if now < self._next:
            self._silent += 1
            return
        # OpenSSL's own words; nothing that the peer sent is in them.
        why = getattr(error, "verify_message", "") or error.reason or type(error).__name__
        _log.warning("a TLS handshake failed", reason=word, error=why, silent=self._silent)
        self._silent = 0
        self._next = now + LOG_EVERY


class _Context(ssl.SSLContext):
    failures: _Failures
    client_ca: bytes | None


class _Counted(ssl.SSLObject):
    """asyncio and uvloop drop an error of a handshake without a word; it passes here first."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            if isinstance(used := self.context, _Context):
                used.failures.failed(error)
            raise


def _context(tls: ServerTls, certificates: Certificates, failures: _Failures) -> _Context:
    made = _Context(ssl.PROTOCOL_TLS_SERVER)
    made.failures, made.client_ca = failures, certificates.client_ca
    made.sslobject_class = _Counted
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
