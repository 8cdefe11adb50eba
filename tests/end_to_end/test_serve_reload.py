"""The bundle of a service under load, written as editors, tools and accidents write it."""

import os
from pathlib import Path

from callout.testing import tools
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import write_bundle
from tests.reliability.reloading import bundles
from tests.reliability.reloading.open_loop import OF_A, OF_B, OURSELVES
from tests.reliability.reloading.service import asking, digest, loaded, serving

A = bundles.marked("bundle-a")
B = bundles.marked("bundle-b")


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
