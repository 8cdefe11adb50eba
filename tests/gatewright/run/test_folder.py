"""The folder of the counts: what dead services left is removed, and nothing else."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gatewright.run.folder import Folder


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def left_behind(how: str = "") -> Path:
    """The folder of a process that was killed."""
    code = (
        "import os, tempfile\nfrom gatewright.run.folder import Folder\n"
        f"tempfile.tempdir = {tempfile.gettempdir()!r}\n"
        f"print(Folder.make().path, flush=True)\n{how}\nos.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    return Path(done.stdout.strip())


def test_the_folder_of_a_killed_service_is_removed_by_the_next(tmp_path: Path) -> None:
    stale = left_behind()
    assert stale.is_dir()
    fresh = Folder.make()
    assert list(tmp_path.iterdir()) == [fresh.path]
    fresh.leave()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_service_that_lives_stays() -> None:
    first, second = Folder.make(), Folder.make()
    assert first.path.is_dir()
    first.leave()
    second.leave()


def test_a_folder_in_which_a_worker_still_counts_stays() -> None:
    stale = left_behind()
    code = (
        "import sys\nfrom pathlib import Path\nfrom callout.observe import shared\n"
        f"shared.join(Path({str(stale)!r}))\nprint('joined', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"joined\n"
        Folder.make().leave()
        assert stale.is_dir()
        worker.kill()
    Folder.make().leave()
    assert not stale.exists()


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    plain = tmp_path / "gatewright-metrics-without-a-lock"
    plain.mkdir()
    (plain / "precious").touch()
    target = left_behind()
    elsewhere = tmp_path / "elsewhere"
    os.rename(target, elsewhere)
    (tmp_path / "gatewright-metrics-link").symlink_to(elsewhere)
    Folder.make().leave()
    assert (plain / "precious").exists()
    assert elsewhere.is_dir()


def test_a_successor_uses_the_folder_of_its_predecessor_and_the_last_removes_it() -> None:
    predecessor = Folder.make()
    successor = Folder.join(predecessor.path)
    predecessor.leave()
    assert successor.path.is_dir()
    successor.leave()
    assert not successor.path.exists()
