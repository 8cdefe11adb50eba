"""What is left of predecessors: nothing."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.end_to_end.conftest import children, until
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, policy, write_bundle

RESTARTS = 4
"""20 by hand: the same."""


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    bundle = write_bundle(tmp_path / "bundle", {"open.yaml": policy("open", OPEN), **EVERYBODY})
    settings = tmp_path / "gatewright.yaml"
    settings.write_text("drain: 3\n")
    with closing(Serve(tmp_path, bundle, "--settings", str(settings))) as running:
        yield running


def held(serve: Serve, folder: Path) -> dict[str, int]:
    """What a service has, of each kind."""
    process = Path(f"/proc/{serve.pid}")
    (worker,) = serve.workers()
    return {
        "descriptors": len(os.listdir(process / "fd")),
        "descriptors of the worker": len(os.listdir(f"/proc/{worker}/fd")),
        "variables": (process / "environ").read_bytes().count(b"\0"),
        "arguments": (process / "cmdline").read_bytes().count(b"\0"),
        "children": len(children(serve.pid)),
        "files": sum(len(files) for _, _, files in os.walk(folder)),
    }


def test_restarts_leave_no_descriptor_variable_process_or_file(
    serve: Serve, tmp_path: Path
) -> None:
    def settled(before: dict[str, int]) -> bool:
        now = held(serve, tmp_path)
        return all(now[what] <= before[what] for what in now)

    # Workers of both generations count in turns: the second restart has all files.
    for _ in range(2):
        serve.restart()
    until(lambda: serve.admin("/readyz")[0] == 200)
    first = held(serve, tmp_path)
    for _ in range(RESTARTS):
        serve.restart()
    try:
        until(lambda: settled(first))
    except AssertionError as error:
        error.add_note(f"{first} before, {held(serve, tmp_path)} after")
        raise


def test_nobody_waits_at_an_address_where_the_successor_does_not_listen(
    serve: Serve, tmp_path: Path
) -> None:
    host, _, port = serve.grpc.rpartition(":")
    (tmp_path / "gatewright.yaml").write_text("listen: {spread: addresses}\n")
    serve.restart()
    assert serve.said("took over")[-1]["grpc"] != serve.grpc
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0
