"""All that counts in Redis needs the rights that docs/operations.md names, and no others."""

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from typing import Any

from callout.redis.client import Client
from callout.redis.connection import connection
from callout.redis.heartbeat import KEY, Heartbeat
from callout.redis.presence import ROUNDS, Presence
from callout.testing.redis import RedisServer
from ratelimit.algorithms.decision import Use
from ratelimit.retries.redis import OnceInRedis
from ratelimit.stores.contract import Hit, StoreUnavailable
from ratelimit.stores.er_redis_store import ErRedisStore
from ratelimit.stores.redis_scripts.states import RedisStates
from ratelimit.stores.redis_store import RedisStore
from tests.callout.redis.asking import started
from tests.callout.redis.test_access import rights
from tests.ratelimit.stores.conftest import PATIENT
from tests.ratelimit.stores.test_states_contract import made

KINDS = ("window", "sliding", "buckets", "log", "bucket")
ELSEWHERE = {"role", "cluster|slots", "asking"}
"""Behind Sentinels and in a Cluster: `tests/callout/redis/test_access.py`."""
HANDSHAKE = {"auth", "hello", "client|setinfo", "client|setname", "select"}
"""redis-py's, which need no rights or are done without."""


async def settled(outcome: Any) -> Any:
    return await outcome if isinstance(outcome, asyncio.Future) else outcome


def same(outcome: Any) -> Any:
    return outcome


async def use_all(client: Client) -> None:
    """Every kind of counter: counted, over, only looked at, given back, asked again."""
    now = time.time()
    ends = int(now) + 60
    answers: list[Sequence[Any] | StoreUnavailable] = []
    for store in (RedisStore(client), ErRedisStore(client, 0)):
        for addend in (3, 0, -2, -9):
            hit = Hit(b"rl:%b@%d" % (type(store).__name__.encode(), ends - 60), addend, ends)
            answers.append(await settled(store.add([hit], now, None, same)))
    once = OnceInRedis(client, 10)
    for addend in (2, 2, -1):
        hits = [Hit(b"rl:d:once", addend, ends), Hit(b"rl:look", 0, ends)]
        answers.append(await once.add(b"receipt%d" % addend, hits, now, None, same))
    states = RedisStates(client)
    for kind in KINDS:
        for hits_ in (1, 4, 9, 0, -2, -9):
            use = Use(b"rl:s:" + kind.encode(), made(kind, 5), hits_)
            answers.append(await settled(states.use([use], True, now, None, same)))
    # Two entries of a log, of which one is given back in part: in one millisecond they are one.
    stepped = RedisStates(client, clock=int)
    for moment, hits_ in ((1_000, 1), (2_000, 3), (3_000, -2)):
        use = Use(b"rl:s:stepped", made("log", 5), hits_)
        answers.append(await settled(stepped.use([use], True, moment, None, same)))
    assert [each for each in answers if isinstance(each, StoreUnavailable)] == []


async def beat(client: Client, admin: Any) -> None:
    """Until one that is silent was forgotten."""
    admin.hset(KEY, "gone", "1")
    heartbeat = Heartbeat(client, Presence(b"me"), every=0.02)
    heartbeat.start()
    async with asyncio.timeout(20 * ROUNDS):
        while admin.hexists(KEY, "gone"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await heartbeat.close()


async def test_a_user_with_the_rights_of_the_page_and_no_others_can_count_in_every_way(
    private_redis: RedisServer,
) -> None:
    named = rights()
    words = {each[1:] for each in named if each.startswith("+")}
    user = f"limits{random.randrange(10**6)}"
    with private_redis.client() as admin:
        admin.execute_command("ACL", "SETUSER", user, "on", ">pw", "-@all", *named)
        admin.config_resetstat()
        url = f"redis://{user}:pw@{private_redis.address}"
        client = connection(url, PATIENT)
        assert isinstance(client, Client)
        async with started(client):
            await use_all(client)
            await beat(client, admin)
            command = [sys.executable, "-m", "gatewright", "ratelimit", "keys", "rl:d:once"]
            process = await asyncio.create_subprocess_exec(
                *command, "--redis", url, "--reset", stdout=asyncio.subprocess.PIPE
            )
            told, _ = await process.communicate()
            assert (process.returncode, told[:9]) == (0, b"rl:d:once"), told
        refused = [each for each in admin.acl_log() if each["username"] == user]
        assert [each["object"] for each in refused if each["object"] not in HANDSHAKE] == []
        stats = admin.info("commandstats")
        called = {
            name.removeprefix("cmdstat_") for name, each in stats.items() if each["calls"] > 0
        }
    own = {"hset", "hexists", "config|resetstat", "acl|setuser", "acl|log", "info"}
    assert called - own - HANDSHAKE == words - ELSEWHERE
