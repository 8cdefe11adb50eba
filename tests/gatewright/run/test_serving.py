"""When a worker's health is SERVING."""

import asyncio

from callout.config.settings import Settings, load
from callout.grpc.health import HealthBoard
from gatewright.run.serving import LOOK_EVERY, Serving
from tests.ratelimit.world import snapshot

DOMAIN = {"ratelimit/x.yaml": "domain: d\n"}
NO_DOMAIN = {"x.yaml": "# nothing\n"}


def settings(text: str = "") -> Settings:
    found = load(text.encode(), {}, {})
    assert isinstance(found, Settings), found
    return found


def test_it_waits_for_a_bundle() -> None:
    health = HealthBoard()
    serving = Serving(settings(), health, lambda: True)
    assert health.serving("") is False

    serving.loaded(snapshot(NO_DOMAIN))

    assert health.serving("") is True


def test_it_waits_for_a_domain_where_the_settings_say_so() -> None:
    health = HealthBoard()
    serving = Serving(settings("limits: {needs_domain: true}"), health, lambda: True)

    serving.loaded(snapshot(NO_DOMAIN))
    assert health.serving("") is False
    serving.loaded(snapshot(DOMAIN))
    assert health.serving("") is True
    serving.loaded(snapshot(NO_DOMAIN))
    assert health.serving("") is False


async def test_it_follows_redis_where_the_settings_say_so() -> None:
    health, away = HealthBoard(), [True]
    serving = Serving(
        settings("redis: redis://a\nlimits: {needs_redis: true}"), health, lambda: away[0]
    )
    serving.start()
    try:
        serving.loaded(snapshot(DOMAIN))
        for expected in (True, False, True):
            away[0] = not expected
            for _ in range(100):
                if health.serving("") is expected:
                    break
                await asyncio.sleep(LOOK_EVERY)
            assert health.serving("") is expected
    finally:
        serving.stop()
