"""The bundle of a service under load, written as editors, tools and accidents write it."""

import os
import resource
from pathlib import Path

from callout.testing import tools
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import write_bundle
from tests.reliability.reloading import bundles
from tests.reliability.reloading.open_loop import OF_A, OF_B, OURSELVES
from tests.reliability.reloading.service import (
    LOADED_WITHIN,
    ConfigMap,
    asking,
    digest,
    loaded,
    serving,
)

A = bundles.marked("bundle-a")
B = bundles.marked("bundle-b")
LARGE = 24_000_000
"""Bytes of a file of which a worker, short of memory, can hold the pieces but not the whole."""
SHORT = 40_000_000
"""Bytes that such a worker may still take."""
REFUSED = "a worker refused the bundle; it decides by the one before"
REJECTED = "bundle rejected; the last good one decides"


def test_however_a_bundle_is_written_every_answer_is_of_a_whole_one(tmp_path: Path) -> None:
    tools.require("opa")
    bundle = write_bundle(tmp_path / "bundle", A)
    with serving(tmp_path, bundle, admission=False) as serve:

        def rejected() -> float:
            return serve.metric("gatewright_config_load_total", result="rejected")

        first = digest(serve)
        with asking(tmp_path, serve, 500.0) as load:
            # Half of a file, and then touched a thousand times: one rejection.
            policy = bundle / "mark.yaml"
            policy.write_text(A["mark.yaml"][:60])
            until(lambda: rejected() == 1)
            for _ in range(1_000):
                os.utime(policy)
            (bundle / ".mark.yaml.swp").write_text("an editor's")
            # Mended in place: what decided goes on, and nothing is wrong any more.
            policy.write_text(A["mark.yaml"])
            until(lambda: serve.config()["problems"] == [])
            assert (rejected(), digest(serve)) == (1, first)
            # The directory itself is replaced.
            write_bundle(tmp_path / "fresh", B)
            bundle.rename(tmp_path / "former")
            (tmp_path / "fresh").rename(bundle)
            second = loaded(serve, first)
            # Each file is renamed over.
            for name, text in A.items():
                fresh = bundle / f"{name}.fresh"
                fresh.write_text(text)
                fresh.rename(bundle / name)
            until(lambda: digest(serve) == first)
            assert loaded(serve, second) == first
        assert len(serve.said("bundle loaded")) >= 3
    calls = [call for call in load.calls if call.kind != OURSELVES]
    assert len(calls) == load.sent > 0
    assert {call.answer for call in calls} == {OF_A, OF_B}


def test_a_config_map_is_turned_under_load_and_a_broken_version_costs_one_line(
    tmp_path: Path,
) -> None:
    tools.require("opa")
    config_map = ConfigMap(tmp_path)
    config_map.version("a", A)
    config_map.version("b", B)
    config_map.version("broken", {**B, "mark.yaml": B["mark.yaml"].replace("rate: ", "rate: x")})
    config_map.version("worse", {**B, "mark.yaml": B["mark.yaml"][:60]})
    config_map.turn("a")
    with serving(tmp_path, config_map.path, admission=False) as serve:

        def rejected() -> tuple[float, int]:
            count = serve.metric("gatewright_config_load_total", result="rejected")
            return count, len(serve.said(REJECTED))

        first = digest(serve)
        with asking(tmp_path, serve, 500.0) as load:
            config_map.turn("b")
            second = loaded(serve, first)
            for number, name in enumerate(("broken", "worse"), 1):
                config_map.turn(name)
                until(lambda number=number: rejected() == (number, number))  # type: ignore[misc]
                # Turned to what it is already: other events, the same content.
                config_map.turn(name)
            config_map.turn("a")
            assert loaded(serve, second) == first
            assert rejected() == (2, 2)
        assert serve.config()["problems"] == []
    calls = [call for call in load.calls if call.kind != OURSELVES]
    assert len(calls) == load.sent > 0
    assert {call.answer for call in calls} == {OF_A, OF_B}


def test_a_worker_that_was_short_of_memory_is_sent_the_bundle_again(tmp_path: Path) -> None:
    tools.require("opa")
    bundle = write_bundle(tmp_path / "bundle", A)
    with serving(tmp_path, bundle, admission=False) as serve:
        first = digest(serve)
        (worker,) = serve.workers()
        usual = resource.prlimit(worker, resource.RLIMIT_DATA)
        size = int(Path(f"/proc/{worker}/statm").read_text().split()[5]) * resource.getpagesize()
        with asking(tmp_path, serve, 200.0) as load:
            resource.prlimit(worker, resource.RLIMIT_DATA, (size + SHORT, usual[1]))
            (tmp_path / "large.bin").write_bytes(bytes(LARGE))
            (tmp_path / "large.bin").rename(bundle / "large.bin")
            until(lambda: serve.said(REFUSED), LOADED_WITHIN)
            config = serve.config()
            assert config["problems"] == ["worker 0 refused it: the worker failed: MemoryError"]
            assert config["digest"] != config["workers"]["0"] == first
            resource.prlimit(worker, resource.RLIMIT_DATA, usual)
            loaded(serve, first)
        assert serve.config()["problems"] == []
        assert serve.workers() == [worker]
    calls = [call for call in load.calls if call.kind != OURSELVES]
    assert len(calls) == load.sent > 0
    assert {call.answer for call in calls} == {OF_A}
