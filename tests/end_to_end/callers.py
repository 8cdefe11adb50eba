"""Clients that call without pause, and what came of it."""

import http.client
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from envoy.service.ratelimit.v3 import rls_pb2

from callout.testing.grpc_client import Client
from tests.end_to_end.serve import Edge, Serve

OK = rls_pb2.RateLimitResponse.OK
OVER_LIMIT = rls_pb2.RateLimitResponse.OVER_LIMIT


class Callers:
    """Threads that call without pause, each on a connection of its own; what came of it."""

    def __init__(self, threads: int, call: Callable[[], Callable[[], object]]) -> None:
        self.seen: Counter[object] = Counter()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=[call()]) for _ in range(threads)]
        for each in self._threads:
            each.start()

    def _run(self, call: Callable[[], object]) -> None:
        while not self._stop.is_set():
            try:
                result = call()
            except Exception as error:
                result = repr(error)[:300]
            with self._lock:
                self.seen[result] += 1

    def stop(self) -> Counter[object]:
        self._stop.set()
        for each in self._threads:
            each.join(20)
        return self.seen


def requests(edge: Edge) -> Callable[[], object]:
    """Requests through Envoy, on one connection."""
    connection = http.client.HTTPConnection(edge.envoy.url.removeprefix("http://"), timeout=10)

    def call() -> object:
        connection.request("GET", "/", headers={"host": "shop.example"})
        answer = connection.getresponse()
        answer.read()
        return answer.status

    return call


def passed(serve: Serve, request: rls_pb2.RateLimitRequest, connections: int, each: int) -> int:
    """How many of so many over each connection pass, all at once; each is answered."""
    clients = [serve.client() for _ in range(connections)]

    def ask(client: Client) -> int:
        codes = [client.should_rate_limit(request, timeout=60).overall_code for _ in range(each)]
        assert set(codes) <= {OK, OVER_LIMIT}
        return codes.count(OK)

    try:
        with ThreadPoolExecutor(connections) as pool:
            return sum(pool.map(ask, clients))
    finally:
        for client in clients:
            client.close()
