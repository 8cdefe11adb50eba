"""Address, TLS, authentication and database are redis-py's; the connection is then ours."""

import asyncio

from redis.asyncio.connection import AbstractConnection, ConnectionPool

from callout.redis.auth_file import split
from callout.redis.outcome import Unavailable


class Dialer:
    """Opens authenticated connections to the server of a URL."""

    def __init__(self, url: str, timeout: float) -> None:
        """Read the URL.

        Args:
            url: `redis://[[user]:password@]host[:port][/db]`, `rediss://` for TLS, or
                `unix:///path?db=0`; redis-py's query parameters (`ssl_ca_certs`) apply, and
                `auth_file` names a file with `user:password`.
            timeout: seconds for the connection, and for each answer of the handshake.

        Raises:
            ValueError: not such a URL.
        """
        plain, auth = split(url)
        credentials = {"credential_provider": auth} if auth is not None else {}
        self._pool = ConnectionPool.from_url(
            plain,
            protocol=2,
            socket_connect_timeout=timeout,
            socket_timeout=timeout,
            **credentials,
        )
        try:
            self._connection()
        except TypeError as error:  # a query parameter that no connection takes
            raise ValueError(str(error)) from None

    def _connection(self) -> AbstractConnection:
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        return connection

    async def dial(self) -> asyncio.StreamWriter | Unavailable:
        """Connect and authenticate once.

        The writer's transport may be given another protocol: the handshake's replies are all
        read, and RESP2 servers send nothing unasked. Keep the writer as long as the transport:
        a forgotten one closes it.
        """
        try:
            connection = self._connection()
            await connection.connect()  # type: ignore[no-untyped-call]
        except Exception as error:
            # Whatever it is (a name that does not resolve, a certificate, a password), the
            # caller must live to try again.
            return Unavailable("disconnected", f"{type(error).__name__}: {error}")
        writer = connection._writer
        if writer is None:
            return Unavailable("disconnected", "lost during the handshake")
        # redis-py closes what it still holds when its object goes.
        connection._writer = connection._reader = None
        return writer
