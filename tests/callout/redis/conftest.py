import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Both loops: their transports differ, and are taken over after redis-py's handshake.

    Sentinel and Cluster use connections as one server does; and a failover takes seconds.
    """
    if item.path.stem in ("test_sentinel", "test_cluster"):
        return {"uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
