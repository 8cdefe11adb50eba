"""A master with a replica, and three Sentinels that watch it: all real."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import redis

from callout.testing import tools
from callout.testing.ports import free_port
from callout.testing.process import Process
from callout.testing.redis import RedisServer, until

DOWN_AFTER = 500
"""Milliseconds without an answer after which a Sentinel calls the master down."""


class Sentinel:
    """One Sentinel process."""

    def __init__(self, folder: Path, master: RedisServer, name: str, extra: Sequence[str]) -> None:
        """Starts it; it writes its configuration anew by itself."""
        self.port = free_port()
        self._password = master.password
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {folder}",
            f"sentinel monitor {name} 127.0.0.1 {master.port} 2",
            f"sentinel down-after-milliseconds {name} {DOWN_AFTER}",
            f"sentinel failover-timeout {name} 3000",
            *([f"sentinel auth-pass {name} {master.password}"] if master.password else ()),
            *extra,
        ]
        configuration = folder / "sentinel.conf"
        configuration.write_text("\n".join(lines) + "\n")
        command: list[str | Path] = [tools.require("redis-server"), configuration, "--sentinel"]
        self.process = Process(command, folder / "sentinel.log", self._ready)

    def _ready(self) -> bool:
        try:
            with redis.Redis(port=self.port, socket_timeout=5) as client:
                return bool(client.ping())
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False

    def close(self) -> None:
        """Ends it."""
        self.process.kill()


class SentinelTrio:
    """Two Redis servers, the first of them the master `limits`, and three Sentinels."""

    NAME = "limits"

    def __init__(
        self, folder: Path, password: str | None = None, sentinel_password: str | None = None
    ) -> None:
        """Starts all, and waits until the Sentinels know each other and the replica.

        Args:
            folder: an existing directory of its own, with a short path (see `RedisServer`).
            password: what clients of the servers must give, if anything.
            sentinel_password: what clients of the Sentinels must give, if anything.
        """
        self._password = password
        self._sentinel_password = sentinel_password
        self._running = ExitStack()
        try:
            first = self._server(folder / "a", ())
            replicaof = ("--replicaof", f"127.0.0.1 {first.port}")
            self.servers = (first, self._server(folder / "b", replicaof))
            # Sentinels learn of it when they first look, and look again 10 s later.
            until(self._replicated, 30.0)
            extra = []
            if sentinel_password:
                extra = [
                    f"requirepass {sentinel_password}",
                    f"sentinel sentinel-pass {sentinel_password}",
                ]
            self.sentinels = tuple([self._sentinel(folder / f"s{n}", extra) for n in range(3)])
            until(self._settled, 30.0)
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """For our own settings."""
        login = f":{self._password}@" if self._password else ""
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)
        query = f"?sentinel_password={self._sentinel_password}" if self._sentinel_password else ""
        return f"redis+sentinel://{login}{hosts}/{self.NAME}{query}"

    @property
    def master(self) -> RedisServer:
        """The server that says of itself that it is the master."""
        return next(each for each in self.servers if self._role(each) == "master")

    def sentinel_client(self, sentinel: Sentinel) -> "redis.Redis":
        """A new synchronous client; the caller closes it."""
        return redis.Redis(port=sentinel.port, password=self._sentinel_password, socket_timeout=5)

    def named(self) -> list[int]:
        """The port of the master, as each Sentinel that runs says."""
        ports = []
        for each in self.sentinels:
            if each.process.running:
                with self.sentinel_client(each) as client:
                    ports.append(int(client.sentinel_get_master_addr_by_name(self.NAME)[1]))
        return ports

    def close(self) -> None:
        """Ends all."""
        self._running.close()

    def _server(self, folder: Path, arguments: Sequence[str]) -> RedisServer:
        folder.mkdir()
        # Diskless and at once: tests wait for it.
        arguments = (*arguments, "--repl-diskless-sync-delay", "0")
        if self._password:
            arguments = (*arguments, "--masterauth", self._password)
        return self._running.enter_context(closing(RedisServer(folder, arguments, self._password)))

    def _sentinel(self, folder: Path, extra: Sequence[str]) -> Sentinel:
        folder.mkdir()
        started = Sentinel(folder, self.servers[0], self.NAME, extra)
        return self._running.enter_context(closing(started))

    def _role(self, server: RedisServer) -> str:
        with server.client() as client:
            try:
                return str(client.info("replication")["role"])
            except redis.RedisError:
                return ""

    def _replicated(self) -> bool:
        with self.servers[1].client() as client:
            return bool(client.info("replication")["master_link_status"] == "up")

    def _settled(self) -> bool:
        """Whether a failover would succeed: all know all, and the replica follows."""
        for each in self.sentinels:
            with self.sentinel_client(each) as client:
                known = client.sentinel_master(self.NAME)
                if (known["num-other-sentinels"], known["num-slaves"]) != (2, 1):
                    return False
                replicas = client.sentinel_slaves(self.NAME)
                if any(each["master-link-status"] != "ok" for each in replicas):
                    return False
        return True
