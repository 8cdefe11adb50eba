"""A TLS client that changes its keys whenever it likes, which Python has no way to ask for."""

import _ssl
import ctypes
import socket

from callout.serve.address import parse


class KeyChanger:
    """A connection of TLS 1.3 by OpenSSL itself, which verifies nothing; it blocks."""

    def __init__(self, target: str) -> None:
        """Raises OSError if it was not let in."""
        library = ctypes.CDLL(_ssl.__file__)  # finds what it is linked with
        for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
            getattr(library, name).restype = ctypes.c_void_p
        self._library = library
        method = ctypes.c_void_p(library.TLS_client_method())
        self._context = ctypes.c_void_p(library.SSL_CTX_new(method))
        self._session = ctypes.c_void_p(library.SSL_new(self._context))
        library.SSL_set_alpn_protos(self._session, b"\x02h2", 3)
        address = parse(target)
        self._socket = socket.create_connection((address.host, address.port))
        library.SSL_set_fd(self._session, self._socket.fileno())
        if library.SSL_connect(self._session) != 1:
            self.close()
            raise ConnectionError("the handshake failed")

    def change_keys(self, most: int) -> int:
        """How often it could."""
        library = self._library
        for count in range(most):
            if library.SSL_key_update(self._session, 1) != 1:
                return count
            if library.SSL_do_handshake(self._session) != 1:
                return count
        return most

    def write(self, data: bytes) -> None:
        assert self._library.SSL_write(self._session, data, len(data)) == len(data)

    def wait_for(self, wanted: bytes) -> None:
        seen, buffer = b"", ctypes.create_string_buffer(4096)
        while wanted not in seen:
            count = self._library.SSL_read(self._session, buffer, 4096)
            assert count > 0, seen
            seen += buffer.raw[:count]

    def close(self) -> None:
        self._socket.close()
        self._library.SSL_free(self._session)
        self._library.SSL_CTX_free(self._context)
