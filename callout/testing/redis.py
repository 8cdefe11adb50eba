"""A real Redis that keeps nothing on disk."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import redis

from callout.testing import tools
from callout.testing.ports import free_port
from callout.testing.process import Process


def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until it holds.

    Raises:
        TimeoutError: it does not in so many seconds.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not in {seconds} s")
        time.sleep(0.02)


class RedisServer:
    """One `redis-server` on a free port of 127.0.0.1 and on a Unix socket."""

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[str] = (),
        password: str | None = None,
        program: str = "redis-server",
    ) -> None:
        """Starts it.

        Args:
            folder: an existing directory of its own; the socket's path must stay under 108 bytes.
            arguments: added to its command line, such as `--tls-port`.
            password: what clients must give, if anything.
            program: or `valkey-server`, which takes the same arguments.
        """
        self._folder = folder
        self._program = program
        self._arguments = (*arguments, *(("--requirepass", password) if password else ()))
        self.password = password
        self.port = free_port()
        """Stays the same over `restart`."""
        self.socket = folder / "redis.sock"
        self._process = self._start()

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """As redis-py and our own settings take it."""
        return f"redis://{self._credentials}127.0.0.1:{self.port}"

    @property
    def unix_url(self) -> str:
        """The same server by its Unix socket."""
        return f"unix://{self._credentials}{self.socket}"

    @property
    def pid(self) -> int:
        """Its process id, for CPU measurements."""
        return self._process.pid

    @property
    def logs(self) -> str:
        """All that it wrote."""
        return self._process.logs

    def client(self) -> "redis.Redis":
        """A new synchronous client; the caller closes it."""
        return redis.Redis(port=self.port, password=self.password, socket_timeout=5)

    def flush(self) -> None:
        """Removes every key."""
        with self.client() as client:
            client.flushall()

    def stop(self) -> None:
        """Freezes it: connections stay open and nothing is answered, as with a hung host."""
        self._process.freeze()

    def cont(self) -> None:
        """Ends `stop`; what was sent meanwhile is executed now."""
        self._process.thaw()

    def kill(self) -> None:
        """Kills it: connections break, and new ones are refused."""
        self._process.kill()

    def restart(self) -> None:
        """Starts it again, empty, on the same port and socket; kills it first if it runs."""
        self.kill()
        self._process = self._start()

    def close(self) -> None:
        """Ends it for good."""
        self._process.kill()

    @property
    def _credentials(self) -> str:
        return f":{self.password}@" if self.password else ""

    def _start(self) -> Process:
        self.socket.unlink(missing_ok=True)
        command: list[str | Path] = [tools.require(self._program)]
        command += ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", self._folder]
        command += ["--unixsocket", self.socket, "--save", "", "--appendonly", "no"]
        return Process([*command, *self._arguments], self._folder / "redis.log", self._ready)

    def _ready(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False
