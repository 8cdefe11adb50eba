"""Where decision logs go is tried before anything is answered."""

import subprocess
import sys
from pathlib import Path

import pytest

from callout.config.settings import Settings
from gatewright.run.decision_logs import check_places
from tests.end_to_end.serve import write_bundle
from tests.extauthz.decision_logs.running import BUNDLE

_URL = "https://logs.example/logs"


def _check(**logs: str) -> None:
    check_places(Settings.model_validate({"decision_logs": logs}))


def test_what_can_be_used_is_left_as_it_was(tmp_path: Path) -> None:
    file, buffer = tmp_path / "decisions.jsonl", tmp_path / "buffer"
    file.write_text("{}\n")
    _check(url=_URL, file=str(file), buffer=str(buffer))
    assert file.read_text() == "{}\n"
    assert list(buffer.iterdir()) == []


@pytest.mark.parametrize("key", ["file", "buffer", "token_file", "ca"])
def test_what_cannot_be_used_is_named(tmp_path: Path, key: str) -> None:
    occupied = tmp_path / "occupied"
    occupied.write_text("")
    place = str(occupied / "in" / "it")
    with pytest.raises(OSError, match="in/it" if key != "ca" else "."):
        _check(**{"url": _URL, key: place})


def test_a_key_that_is_none_is_found(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    with pytest.raises(OSError, match="PEM"):
        _check(url=_URL, cert=str(nonsense), key=str(nonsense))


def test_the_service_does_not_start(tmp_path: Path) -> None:
    occupied = tmp_path / "occupied"
    occupied.write_text("")
    settings = tmp_path / "gatewright.yaml"
    settings.write_text(f"decision_logs: {{file: {occupied}/decisions.jsonl}}\n")
    command = [sys.executable, "-m", "gatewright", "serve", "--settings", str(settings)]
    command += ["--bundle", str(write_bundle(tmp_path / "rules", BUNDLE))]
    command += ["--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "cannot start: decision_logs: [Errno 20] Not a directory" in done.stderr
    assert "decisions.jsonl" in done.stderr
