"""A log service that takes batches, refuses them, is slow, or is away; and what is lost then."""

import os
import resource
import signal
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import until
from tests.end_to_end.serve import Serve
from tests.extauthz.decision_logs.log_service import LogService
from tests.extauthz.decision_logs.running import MEBIBYTE, allowed, ask, id_of, serving


def _dropped(serve: Serve) -> float:
    return serve.metric("gatewright_decision_log_dropped_total")


def test_each_decision_is_logged_once_in_order(tmp_path: Path, log_service: LogService) -> None:
    with closing(serving(tmp_path, url=log_service.url)) as serve, serve.client() as client:
        ids = [id_of(ask(client, f"/{number}")) for number in range(300)]
        log_service.wait(300)
        assert log_service.ids == ids
        batch = log_service.batches[0]
        assert batch.path == "/logs"
        assert batch.headers["content-type"] == "application/json"
        assert batch.headers["content-encoding"] == "gzip"
        until(lambda: serve.metric("gatewright_decision_log_events_total", sink="http") == 300)
        assert serve.metric("gatewright_decision_log_uploads_total", result="taken") > 0
        assert _dropped(serve) == 0


def test_what_waits_at_the_end_is_sent(tmp_path: Path, log_service: LogService) -> None:
    slow = {"min_delay": "60", "max_delay": "60"}
    with closing(serving(tmp_path, url=log_service.url, **slow)) as serve:
        with serve.client() as client:
            ids = [id_of(ask(client)) for _ in range(20)]
        assert log_service.ids == []
        serve.signal(signal.SIGTERM)
        assert serve.wait(20) == 0
    assert log_service.ids == ids


def test_a_batch_is_full_before_its_time(tmp_path: Path, log_service: LogService) -> None:
    late = {"min_delay": "60", "max_delay": "60", "upload_bytes": "4096"}
    with (
        closing(serving(tmp_path, url=log_service.url, **late)) as serve,
        serve.client() as client,
    ):
        for number in range(600):
            ask(client, f"/{number}/{os.urandom(40).hex()}")
        until(lambda: len(log_service.batches) >= 5, 20)
        assert all(batch.size <= 4096 for batch in log_service.batches)
        # they grow until they are nearly as large as they may be
        assert max(batch.size for batch in log_service.batches) > 3000


@pytest.mark.parametrize("status", [500, 503, 429, 401, 302])
def test_a_refused_batch_is_sent_again(
    tmp_path: Path, log_service: LogService, status: int
) -> None:
    answers = iter([status, status, status])
    log_service.answer = lambda _: next(answers, 200)
    with closing(serving(tmp_path, url=log_service.url)) as serve, serve.client() as client:
        ids = [id_of(ask(client)) for _ in range(10)]
        log_service.wait(10)
        assert log_service.ids == ids
        assert [batch.status for batch in log_service.batches][:3] == [status] * 3
        until(lambda: serve.metric("gatewright_decision_log_uploads_total", result="failed") == 3)
        assert _dropped(serve) == 0
        assert len(serve.said("decision logs are not taken")) in (1, 2)  # one a second


def test_a_service_that_finds_batches_too_large_gets_smaller_ones(
    tmp_path: Path, log_service: LogService
) -> None:
    log_service.answer = lambda size: 413 if size > 3000 else 200
    with closing(serving(tmp_path, url=log_service.url)) as serve, serve.client() as client:
        ids = [id_of(ask(client, f"/{os.urandom(500).hex()}")) for _ in range(60)]
        log_service.wait(60)
        assert log_service.ids == ids
        assert _dropped(serve) == 0


def test_an_event_that_is_too_large_alone_comes_without_its_input(
    tmp_path: Path, log_service: LogService
) -> None:
    small = {"upload_bytes": "4096"}
    with (
        closing(serving(tmp_path, url=log_service.url, **small)) as serve,
        serve.client() as client,
    ):
        first = id_of(ask(client, "/small"))
        large = id_of(ask(client, "/large", headers={"x-noise": os.urandom(5000).hex()}))
        last = id_of(ask(client, "/small"))
        events = {each["decision_id"]: each for each in log_service.wait(3)}
    assert list(events) == [first, large, last]
    assert "input" not in events[large]
    assert events[large]["erased"][-2:] == ["/input", "/result"]
    assert events[last]["input"]["path"] == "/small"


def test_a_slow_service_delays_no_request(tmp_path: Path, log_service: LogService) -> None:
    with closing(serving(tmp_path, url=log_service.url)) as serve, serve.client() as client:

        def round_() -> float:
            took = []
            for _ in range(200):
                started = time.perf_counter()
                ask(client)
                took.append(time.perf_counter() - started)
            return sorted(took)[-5]

        log_service.pause = 2.0
        slow = round_()
        # whoever waited for the service would have waited for 2 s
        assert slow < 1.0
        log_service.pause = 0.0
        log_service.wait(200)


def test_a_service_that_is_away_gets_all_when_it_is_back(
    tmp_path: Path, log_service: LogService
) -> None:
    with closing(serving(tmp_path, url=log_service.url)) as serve, serve.client() as client:
        log_service.stop()
        ids = [id_of(ask(client)) for _ in range(50)]
        until(lambda: serve.metric("gatewright_decision_log_uploads_total", result="failed") >= 2)
        until(lambda: serve.metric("gatewright_decision_log_waiting") == 50)
        log_service.start()
        log_service.wait(50)
        assert log_service.ids == ids


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_when_nothing_more_fits_the_oldest_are_dropped_and_counted(
    tmp_path: Path, log_service: LogService, where: str
) -> None:
    logs = {"url": log_service.url, "buffer_bytes": str(MEBIBYTE)}
    if where == "disk":
        logs["buffer"] = str(tmp_path / "buffer")
    with closing(serving(tmp_path, **logs)) as serve, serve.client() as client:
        log_service.stop()
        noise = {"x-noise": "n" * 4000}
        answers = [ask(client, headers=noise) for _ in range(700)]
        assert all(map(allowed, answers))
        ids = [id_of(each) for each in answers]
        until(lambda: _dropped(serve) > 0)
        log_service.start()
        until(lambda: log_service.ids[-1:] == ids[-1:], 20)
        until(lambda: serve.metric("gatewright_decision_log_waiting") == 0)
        got = log_service.ids
        assert got == [each for each in ids if each in set(got)]
        assert len(got) + _dropped(serve) == len(ids)
        # of 5 KB each: what fits, and segments on disk are forgotten whole
        assert 50 < len(got) < 500


def test_with_deny_nothing_is_allowed_that_nobody_logs(
    tmp_path: Path, log_service: LogService
) -> None:
    logs = {"when_full": "deny", "buffer": str(tmp_path / "buffer")}
    logs |= {"url": log_service.url, "buffer_bytes": str(MEBIBYTE)}
    with closing(serving(tmp_path, **logs)) as serve, serve.client() as client:
        log_service.stop()
        answers: list[Any] = []
        noise = {"x-noise": "n" * 20_000}
        end = time.monotonic() + 30
        while not answers or allowed(answers[-1]):
            answers.append(ask(client, headers=noise))
            assert time.monotonic() < end
        assert answers[-1].denied_response.status.code == 503
        until(lambda: serve.metric("gatewright_decisions_total", reason="decision_log_full") > 0)
        log_service.start()
        until(lambda: allowed(ask(client)), 20)
        let_pass = [id_of(each) for each in answers if allowed(each)]
        until(lambda: set(let_pass) <= set(log_service.ids), 20)
        assert _dropped(serve) == 0


def test_a_disk_that_is_full_drops_or_denies_as_written(
    tmp_path: Path, log_service: LogService
) -> None:
    logs = {"when_full": "deny", "buffer": str(tmp_path / "buffer"), "url": log_service.url}
    with closing(serving(tmp_path, **logs)) as serve, serve.client() as client:
        log_service.stop()
        before = [ask(client) for _ in range(20)]
        until(lambda: serve.metric("gatewright_decision_log_waiting") == 20)
        [worker] = serve.workers()
        _, most = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (1, most))
        try:
            meanwhile = [ask(client)]
            until(lambda: not allowed(ask(client)), 10)
        finally:
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (most, most))
        until(lambda: allowed(ask(client)), 10)
        log_service.start()
        wanted = {id_of(each) for each in before + meanwhile if allowed(each)}
        until(lambda: wanted <= set(log_service.ids), 20)
        assert len(wanted) == 21


def test_a_killed_worker_loses_nothing_that_is_on_disk(
    tmp_path: Path, log_service: LogService
) -> None:
    logs = {"buffer": str(tmp_path / "buffer"), "url": log_service.url}
    with closing(serving(tmp_path, **logs)) as serve:
        log_service.stop()
        with serve.client() as client:
            ids = [id_of(ask(client)) for _ in range(30)]
        until(lambda: serve.metric("gatewright_decision_log_waiting") == 30)
        [worker] = serve.workers()
        os.kill(worker, signal.SIGKILL)
        until(lambda: serve.workers() not in ([], [worker]), 20)
        log_service.start()
        log_service.wait(30)
        # a batch whose answer never came may be there twice
        assert list(Counter(log_service.ids)) == ids
        until(lambda: len(list((tmp_path / "buffer").glob("*/*.jsonl"))) == 0, 10)


def test_a_worker_that_ends_leaves_what_waits_to_the_next(
    tmp_path: Path, log_service: LogService
) -> None:
    logs = {"buffer": str(tmp_path / "buffer"), "url": log_service.url}
    log_service.stop()
    with closing(serving(tmp_path, **logs)) as serve:
        with serve.client() as client:
            ids = [id_of(ask(client)) for _ in range(10)]
        serve.signal(signal.SIGTERM)
        serve.wait(20)
    assert log_service.ids == []
    log_service.start()
    with closing(serving(tmp_path, **logs)):
        log_service.wait(10)
    assert log_service.ids == ids
