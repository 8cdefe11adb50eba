"""A Redis Cluster of three masters and three replicas: all real."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot

from callout.testing.ports import free_port
from callout.testing.redis import RedisServer, until

NODE_TIMEOUT = 2000
"""Milliseconds without an answer after which a node counts as failed. Less, and a busy machine
makes failovers of its own."""


class RedisCluster:
    """Six servers; each of the first three owns a third of the slots."""

    def __init__(self, folder: Path, arguments: Sequence[str] = ()) -> None:
        """Starts all, and waits until each slot is served and each replica follows.

        Args:
            folder: an existing directory of its own, with a short path (see `RedisServer`).
            arguments: added to the command line of each, such as `--tls-cluster yes`.
        """
        self._folder = folder
        self._running = ExitStack()
        self._bus: dict[int, int] = {}
        try:
            self.servers: tuple[RedisServer, ...] = tuple(
                [self._server(arguments) for n in range(6)]
            )
            ids = []
            for number, server in enumerate(self.servers):
                self.run(server, "CLUSTER SET-CONFIG-EPOCH", number + 1)
                ids.append(self.run(server, "CLUSTER MYID").decode())
                self.meet(server)
            for number in range(3):
                first, last = number * 16384 // 3, (number + 1) * 16384 // 3 - 1
                self.run(self.servers[number], "CLUSTER ADDSLOTSRANGE", first, last)
            until(lambda: all(self._knows(each, "connected", 6) for each in self.servers), 30.0)
            for number in range(3):
                self.run(self.servers[number + 3], "CLUSTER REPLICATE", ids[number])
            until(self._settled, 30.0)
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """For our own settings; names the first three."""
        hosts = ",".join(each.address for each in self.servers[:3])
        return f"redis+cluster://{hosts}"

    def start_another(self) -> RedisServer:
        """A seventh node, which all others know, without slots."""
        server = self._server(())
        self.run(server, "CLUSTER SET-CONFIG-EPOCH", 100)
        self.meet(server)
        self.servers = (*self.servers, server)
        until(lambda: all(self._knows(each, "connected", 7) for each in self.servers), 30.0)
        until(lambda: b"cluster_state:ok" in self.run(server, "CLUSTER INFO"), 30.0)
        return server

    def owner(self, key: bytes) -> RedisServer:
        """Whoever of the masters that run owns its slot, as it says itself."""
        slot = key_slot(key)
        for each in self.servers:
            try:
                name = self.run(each, "CLUSTER MYID")
                slots = self.run(each, "CLUSTER SLOTS")
            except redis.RedisError:
                continue
            if any(first <= slot <= last and own[2] == name for first, last, own, *_ in slots):
                return each
        raise LookupError(f"nobody owns slot {slot}")

    def move(
        self,
        key: bytes,
        source: RedisServer,
        target: RedisServer,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        """Moves the slot of this key as `redis-cli --cluster reshard` does.

        Args:
            key: of the slot.
            source: who owns it.
            target: who shall.
            between: called when the slot is being moved, and none of its keys has been.
        """
        slot = key_slot(key)
        names = {each: self.run(each, "CLUSTER MYID").decode() for each in (source, target)}
        self.run(target, "CLUSTER SETSLOT", slot, "IMPORTING", names[source])
        self.run(source, "CLUSTER SETSLOT", slot, "MIGRATING", names[target])
        between()
        while keys := self.run(source, "CLUSTER GETKEYSINSLOT", slot, 10):
            self.run(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        for each in (target, source):
            self.run(each, "CLUSTER SETSLOT", slot, "NODE", names[target])

    def meet(self, server: RedisServer) -> None:
        """Makes it known to all; all of them are, by and by, to it."""
        first = self.servers[0]
        self.run(server, "CLUSTER MEET", "127.0.0.1", first.port, self._bus[first.port])

    def run(self, server: RedisServer, *command: Any) -> Any:
        """One command, by a connection of its own, which follows no redirection."""
        with redis.Redis(port=server.port, socket_timeout=5) as client:
            connection = client.connection_pool.get_connection()
            words = [*str(command[0]).split(" "), *command[1:]]
            connection.send_command(*words)
            return connection.read_response()

    def close(self) -> None:
        """Ends all."""
        self._running.close()

    def _server(self, arguments: Sequence[str]) -> RedisServer:
        folder = self._folder / f"n{len(self._bus)}"
        folder.mkdir()
        bus = free_port()
        command = ["--cluster-enabled", "yes", "--cluster-port", str(bus)]
        command += ["--cluster-node-timeout", str(NODE_TIMEOUT)]
        command += ["--cluster-require-full-coverage", "no"]
        # A master whose last slot was moved away stays one.
        command += ["--cluster-allow-replica-migration", "no"]
        command += ["--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"]
        server = RedisServer(folder, [*command, *arguments])
        self._bus[server.port] = bus
        return self._running.enter_context(closing(server))

    def _knows(self, server: RedisServer, word: str, number: int) -> bool:
        return str(self.run(server, "CLUSTER NODES")).count(f" {word}") == number

    def _settled(self) -> bool:
        for each in self.servers:
            if b"cluster_state:ok" not in self.run(each, "CLUSTER INFO"):
                return False
            if len([n for n in self.run(each, "CLUSTER SLOTS") if len(n) == 4]) != 3:
                return False
        for each in self.servers[3:]:
            with each.client() as client:
                if client.info("replication")["master_link_status"] != "up":
                    return False
        return True
