"""A worker on one core, and from the other the open loop that asks it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from callout.serve.tied import tied
from tests.end_to_end.conftest import ROOT, until
from tests.end_to_end.serve import Serve, write_bundle
from tests.load.machine import cores, on_core
from tests.reliability.reloading.open_loop import Call, read

LOADED_WITHIN: Final = 60.0
"""Seconds for one reload on a machine that others use as well."""


class ConfigMap:
    """A bundle directory as the kubelet lays it out: one link is turned, and all is new."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bundle"

    def version(self, name: str, files: Mapping[str, str]) -> None:
        """Makes a version ready; all have the same names in the root."""
        write_bundle(self.path / f"..{name}", files)
        for each in {name.partition("/")[0] for name in files}:
            link = self.path / each
            if not link.is_symlink():
                link.symlink_to(f"..data/{each}")

    def turn(self, name: str) -> None:
        """Puts it into use."""
        fresh = self.path / "..data_tmp"
        fresh.symlink_to(f"..{name}")
        fresh.rename(self.path / "..data")


@contextmanager
def serving(folder: Path, bundle: Path, *, admission: bool) -> Iterator[Serve]:
    """`gatewright serve` with one worker on the first core; with admission control or without."""
    environ = {} if admission else {"GATEWRIGHT_OVERLOAD__TARGET": "0"}
    with on_core(cores().service):
        serve = Serve(folder, bundle, "--workers", "1", environ=environ)
    with closing(serve):
        # The supervising process leaves the core to the worker: what is measured is how the worker
        # holds itself up, not how a scheduler shares a core.
        for thread in Path(f"/proc/{serve.process.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {cores().load})
        yield serve


@dataclass
class Load:
    """What was asked meanwhile, and what came of it; complete once the block has ended."""

    calls: list[Call]
    sent: int = 0


@contextmanager
def asking(folder: Path, serve: Serve, rate: float) -> Iterator[Load]:
    """Calls at this rate from the last core until the block ends."""
    file = folder / f"calls{time.monotonic_ns()}"
    module = "tests.reliability.reloading.open_loop"
    with on_core(cores().load):
        process = subprocess.Popen(
            tied([sys.executable, "-m", module, serve.grpc, str(file), str(rate)]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
    load = Load([])
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "sending\n"
        yield load
        output, _ = process.communicate("stop\n", timeout=60)
        assert process.returncode == 0
        load.sent = int(output)
        load.calls = list(read(file))
    finally:
        process.kill()
        process.wait()


def loaded(serve: Serve, before: str) -> str:
    """The digest, once all workers decide by another one than `before`."""
    found: list[str] = []

    def all_have_it() -> bool:
        config = serve.config()
        digests = set(config["workers"].values())
        found[:] = [config["digest"]]
        return config["digest"] != before and digests == {config["digest"]}

    until(all_have_it, LOADED_WITHIN)
    return found[0]


def digest(serve: Serve) -> str:
    """What is decided by now."""
    return str(serve.config()["digest"])


def rss(pid: int) -> float:
    """Megabytes of memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6
