import asyncio
import contextlib
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from callout.config.problems import Rejected
from callout.config.settings import Settings, load
from gatewright.cli import reread
from gatewright.cli.reread import SettingsFile


class File:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.levels: list[str] = []
        self.write("telemetry: {level: info}")
        settings = self.read()
        assert isinstance(settings, Settings)
        self.changing = SettingsFile(
            path, settings, self.read, lambda new: self.levels.append(new.telemetry.level)
        )

    def write(self, text: str) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.rename(self.path)

    def read(self) -> Settings | Rejected:
        return load(self.path.read_bytes(), {}, {})


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "gatewright.yaml")


def test_another_level_is_taken_over_and_a_mistake_is_not(file: File) -> None:
    with capture_logs() as logged:
        file.write("telemetry: {level: loud}")
        file.changing.read_again()
        assert file.levels == []
        file.write("telemetry: {level: debug}")
        file.changing.read_again()
        file.changing.read_again()
    assert file.levels == ["debug"]
    assert [each["log_level"] for each in logged] == ["error", "info"]


def test_what_needs_a_restart_is_said_and_changes_nothing(file: File) -> None:
    file.write("telemetry: {level: info, log: text}")
    with capture_logs() as logged:
        file.changing.read_again()
    assert file.levels == []
    assert [each["event"] for each in logged] == ["settings changed that need a restart"]


async def test_a_changed_file_is_noticed_by_itself(
    file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reread, "LOOK_EVERY", 0.01)
    running = asyncio.create_task(file.changing.run())
    file.write("telemetry: {level: error}")
    end = asyncio.get_running_loop().time() + 10
    while not file.levels:
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.01)
    assert file.levels == ["error"]
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
