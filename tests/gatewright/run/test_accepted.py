"""When the check of a bundle stands back behind workers."""

import os
import threading
from pathlib import Path

import pytest

from callout.config.bundle import Bundle
from callout.config.problems import Rejected
from gatewright.bundle.load import Loaded, check
from gatewright.run import accepted
from gatewright.run.accepted import NICE, Acceptance

GOOD = Bundle(
    {
        "a.yaml": b"""{apiVersion: bundle/v1, kind: Policy, name: a, on: [{host: "*"}],
            limits: [{name: l, by: [address], rate: 1/hour}]}"""
    }
)
BAD = Bundle({"a.yaml": b"["})


@pytest.mark.parametrize("takes_over", [False, True])
def test_the_check_stands_back_once_there_are_workers_that_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, takes_over: bool
) -> None:
    behind: list[int] = []
    ours = os.getpriority(os.PRIO_PROCESS, 0)

    def watched(*arguments: object) -> Loaded | Rejected:
        behind.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) - ours)
        return check(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(accepted, "check", watched)
    acceptance = Acceptance(tmp_path, lambda _: None, answering=takes_over)
    for bundle in (BAD, GOOD, GOOD):
        thread = threading.Thread(target=acceptance.build, args=(bundle,))
        thread.start()
        thread.join()
    first = NICE if takes_over else 0
    assert behind == [min(each, 19 - ours) for each in (first, first, NICE)]
