"""The master that Sentinels name: found before each connection, left when it is another."""

import asyncio
import logging
from typing import NamedTuple

from callout.redis.client import Client, ClientOptions
from callout.redis.connect import Dialer
from callout.redis.outcome import Unavailable
from callout.redis.pipeline import ErrorReply, Replies, Reply, pack
from callout.redis.servers import Address, Servers, address

log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two looks at who the master is, while one is connected. Sentinels cut the
connections to a master that they demote, so this matters only for one that they cannot reach and
we can: what is counted there is lost."""
_SENTINEL = ClientOptions(timeout=0.3, longest=0.3, backlog=8)
"""A Sentinel has nothing else to do; one that takes longer is not waited for."""


class Master(NamedTuple):
    """What one Sentinel says."""

    epoch: int
    """Grows with each failover: the greatest one is the newest."""
    address: Address


def master(reply: Reply) -> Master | None:
    """Reads the answer to `SENTINEL MASTER name`; None: it names none."""
    if not isinstance(reply, list):
        return None
    texts = [each.decode(errors="replace") if isinstance(each, bytes) else "" for each in reply]
    fields = dict(zip(texts[::2], texts[1::2], strict=False))
    try:
        named = address(f"[{fields['ip']}]:{fields['port']}")
        return Master(int(fields["config-epoch"]), named)
    except (KeyError, ValueError):
        return None


class Sentinels:
    """Connections to all Sentinels, and what most of them say."""

    def __init__(self, servers: Servers) -> None:
        """Read the URLs; connects in `start`.

        Raises:
            ValueError: a parameter that redis-py does not know.
        """
        self._clients = [Client(servers.seed_url(each), _SENTINEL) for each in servers.seeds]
        self._question = pack(b"SENTINEL", b"MASTER", servers.master.encode())

    async def start(self) -> None:
        """Connect to all; returns after the first attempt of each."""
        await asyncio.gather(*[each.start() for each in self._clients])

    async def close(self) -> None:
        """Close all."""
        await asyncio.gather(*[each.close() for each in self._clients])

    async def master(self) -> Master | Unavailable:
        """The newest master of which a majority of the Sentinels, or all that answer, know.

        A failover needs a majority, so one of any majority knows of the last. A Sentinel that is
        cut off from the others still names the master before.
        """
        asked = {asyncio.ensure_future(_ask(each, self._question)) for each in self._clients}
        found: list[Master] = []
        why = "no Sentinel answers"
        try:
            while asked and len(found) <= len(self._clients) // 2:
                done, asked = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    outcome = each.result()
                    if isinstance(outcome, Unavailable):
                        continue
                    named = master(outcome[0])
                    if named is not None:
                        found.append(named)
                    elif isinstance(outcome[0], ErrorReply):
                        why = f"a Sentinel says: {outcome[0].message}"
        finally:
            for each in asked:
                each.cancel()
        return max(found) if found else Unavailable("disconnected", why)


async def _ask(client: Client, question: bytes) -> Replies | Unavailable:
    outcome = client.send([question], None, _as_it_is)
    return await outcome if isinstance(outcome, asyncio.Future) else outcome


def _as_it_is(outcome: Replies | Unavailable) -> Replies | Unavailable:
    return outcome


class MasterDialer:
    """Opens connections to whichever server is the master at that time."""

    def __init__(self, servers: Servers, sentinels: Sentinels, timeout: float) -> None:
        """See `Dialer`.

        Raises:
            ValueError: a parameter that redis-py does not know.
        """
        self._servers = servers
        self._sentinels = sentinels
        self._timeout = timeout
        self.dialed: Master | None = None
        """The master of the last attempt."""
        Dialer(servers.url(servers.seeds[0]), timeout)

    async def dial(self) -> asyncio.StreamWriter | Unavailable:
        """Ask the Sentinels, then connect."""
        named = await self._sentinels.master()
        if isinstance(named, Unavailable):
            return named
        if named != self.dialed:
            log.info("redis: the master is %s", named.address)
        self.dialed = named
        return await Dialer(self._servers.url(named.address), self._timeout).dial()


class SentinelClient(Client):
    """`Client` of the present master. A failover costs what Sentinels need, and half a second."""

    probe = pack(b"ROLE")

    def __init__(self, servers: Servers, options: ClientOptions) -> None:
        """Read the URLs; connects in `start`.

        Raises:
            ValueError: a parameter that redis-py does not know.
        """
        self._sentinels = Sentinels(servers)
        self._masters = MasterDialer(servers, self._sentinels, options.connect_timeout)
        self._watch: asyncio.Task[None] | None = None
        super().__init__(self._masters, options)

    async def start(self) -> None:
        """Connect; returns after the first attempt."""
        await self._sentinels.start()
        await super().start()
        self._watch = asyncio.get_running_loop().create_task(self._watch_master())

    async def close(self) -> None:
        """See `Client.close`."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        await super().close()
        await self._sentinels.close()

    def serves(self, reply: Reply) -> bool:
        """Whether it is a master: a Sentinel may name one that is not yet, or no more."""
        if isinstance(reply, ErrorReply):
            # ROLE is not given to every user; then a replica is left at its first READONLY.
            return reply.message.startswith("NOPERM")
        return isinstance(reply, list) and reply[:1] == [b"master"]

    async def _watch_master(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            if self.state != "closed":
                continue
            named, present = await self._sentinels.master(), self._masters.dialed
            if isinstance(named, Unavailable) or present is None:
                continue
            if named.epoch >= present.epoch and named.address != present.address:
                self.leave(f"the master is {named.address} now")
