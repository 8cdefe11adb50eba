"""Every kind of engine, behind one way to ask: in the process, one OPA server, several."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import pytest

from callout.testing.opa import OpaServer
from callout.testing.ports import free_port
from extauthz.policy.engine import Engine
from extauthz.policy.opa_server.servers import OpaServers
from tests.extauthz.policy import rego

REGO: Final = (Path(__file__).parent / "contract.rego").read_text()
KINDS: Final = ("in process", "one server", "one of two dead", "one of two frozen")

Make: TypeAlias = Callable[[str], Engine]


class Subject(NamedTuple):
    """What is tested."""

    kind: str
    make: Make
    """The engine of a rule."""
    servers: OpaServers | None

    def decide(self, rule: str, document: Any, seconds: float = 30.0) -> Awaitable[Any]:
        """What the rule makes of the document."""
        return _awaited(self.make(rule), document, seconds)


async def _awaited(engine: Engine, document: Any, seconds: float) -> Any:
    answer = engine.decide(document, time.monotonic() + seconds)
    return await answer if isinstance(answer, Awaitable) else answer


class Running(NamedTuple):
    well: OpaServer
    frozen: OpaServer


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    def start() -> OpaServer:
        return OpaServer(tmp_path_factory.mktemp("opa"), {"contract.rego": REGO})

    with closing(start()) as well, closing(start()) as frozen:
        frozen.stop()
        yield Running(well, frozen)


@pytest.fixture(params=KINDS)
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    """One of each kind."""
    kind: str = request.param
    if kind == "in process":
        made: dict[str, Engine] = {}

        def make(rule: str) -> Engine:
            if rule not in made:
                made[rule] = rego.engine(REGO, entrypoint=f"contract/{rule}")
            return made[rule]

        yield Subject(kind, make, None)
        return
    opa: Running = request.getfixturevalue("running")
    others = {
        "one server": [],
        "one of two dead": [f"http://127.0.0.1:{free_port()}"],
        "one of two frozen": [opa.frozen.url],
    }
    servers = OpaServers([*others[kind], opa.well.url])
    yield Subject(kind, lambda rule: servers.engine(f"contract/{rule}"), servers)
    await servers.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
