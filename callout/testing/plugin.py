"""Pytest fixtures: the real neighbours of a callout service, and time that stands still.

Load them in the root `conftest.py`:

    pytest_plugins = ["callout.testing.plugin"]

None of them is bound to an event loop: synchronous and asynchronous tests use them alike. A test
that needs a program that is not here is skipped with a sentence that says what brings it, and
fails instead where `CI=true`.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Protocol

import pytest

from callout.testing.clock import Clock
from callout.testing.envoy import Envoy
from callout.testing.opa import OpaServer
from callout.testing.ports import free_port as _free_port
from callout.testing.redis import RedisServer
from callout.testing.upstream import EchoUpstream


class StartOpa(Protocol):
    """What the fixture `opa_server` is."""

    def __call__(
        self, policies: Mapping[str, str], data: Mapping[str, Any] | None = None
    ) -> OpaServer:
        """Starts one with these Rego files and this data; it ends with the test."""
        ...


class StartEnvoy(Protocol):
    """What the fixture `envoy` is."""

    def __call__(self, bootstrap: Mapping[str, Any] | str | Path) -> Envoy:
        """Starts one with this configuration; it ends with the test."""
        ...


@pytest.fixture
def clock() -> Clock:
    """A clock that only the test moves."""
    return Clock()


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A function that gives a free TCP port of 127.0.0.1, another one with each call."""
    return _free_port


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis for the whole run; a test that stops, kills or fills it uses `private_redis`."""
    # Not under pytest's own folders: the path of a Unix socket has at most 107 bytes.
    with tempfile.TemporaryDirectory() as folder, closing(RedisServer(Path(folder))) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[RedisServer]:
    """A Valkey for the whole run, used as `redis_server` is."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(RedisServer(Path(folder), program="valkey-server")) as server,
    ):
        yield server


@pytest.fixture
def private_redis() -> Iterator[RedisServer]:
    """A Redis for one test, which may break it."""
    with tempfile.TemporaryDirectory() as folder, closing(RedisServer(Path(folder))) as server:
        yield server


@pytest.fixture
def opa_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartOpa]:
    """Starts OPA servers: `opa_server({"shop.rego": "package shop ..."}, {"roles": {}})`."""
    with ExitStack() as running:

        def start(policies: Mapping[str, str], data: Mapping[str, Any] | None = None) -> OpaServer:
            server = OpaServer(tmp_path_factory.mktemp("opa"), policies, data)
            return running.enter_context(closing(server))

        yield start


@pytest.fixture
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartEnvoy]:
    """Starts Envoys: `envoy(bootstrap).url`; see `callout.testing.envoy.Envoy`."""
    with ExitStack() as running:

        def start(bootstrap: Mapping[str, Any] | str | Path) -> Envoy:
            server = Envoy(tmp_path_factory.mktemp("envoy"), bootstrap)
            return running.enter_context(closing(server))

        yield start


@pytest.fixture(scope="session")
def _upstream() -> Iterator[EchoUpstream]:
    with closing(EchoUpstream()) as upstream:
        yield upstream


@pytest.fixture
def echo_upstream(_upstream: EchoUpstream) -> EchoUpstream:
    """The service behind the gateway; `seen` begins empty with each test."""
    _upstream.seen.clear()
    return _upstream
