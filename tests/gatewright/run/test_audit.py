"""Where the audit log goes: said by the settings, and tried before anything is answered."""

import subprocess
import sys
from pathlib import Path

from callout.config.problems import Rejected
from callout.config.settings import Settings, load
from gatewright.run.process_workers import of_decisions, of_process
from tests.end_to_end.serve import write_bundle


def test_an_audit_log_must_go_somewhere() -> None:
    loaded = load(b"waf: {audit: {format: native}}", {}, {})

    assert isinstance(loaded, Rejected)
    assert "at least one of file, stdout" in str(loaded.problems[0])


def test_there_is_none_unless_it_is_asked_for() -> None:
    assert Settings().waf.audit is None


def test_workers_of_the_process_face_have_it() -> None:
    settings = load(b"{faces: [authz, process], waf: {audit: {stdout: true}}}", {}, {})
    assert isinstance(settings, Settings), settings

    process, deciding = of_process(settings), of_decisions(settings)
    assert process is not None
    assert process.waf.audit is not None
    assert process.waf.audit.stdout
    assert deciding is not None
    assert "process" not in deciding.faces


def test_a_file_that_cannot_be_used_is_told_before_anything_is_answered(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("")
    settings = tmp_path / "gatewright.yaml"
    settings.write_text(f"waf: {{audit: {{file: {tmp_path}/occupied/audit.log}}}}\n")
    command = [sys.executable, "-m", "gatewright", "serve", "--settings", str(settings)]
    command += ["--bundle", str(write_bundle(tmp_path / "rules", {})), "--faces", "process"]
    command += ["--admin", "127.0.0.1:0"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"GATEWRIGHT_LISTEN__PROCESS": "127.0.0.1:0"},
    )

    assert done.returncode == 1
    assert "cannot start: waf.audit: [Errno 20] Not a directory" in done.stderr
    assert "audit.log" in done.stderr
