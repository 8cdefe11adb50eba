"""The audit log of a worker, put together by the settings."""

import sys
from pathlib import Path

from callout.config.waf_settings import Audit
from callout.observe.outputs import FileOutput, Output, SharedOutput
from gatewright.run.decision_logs import STDOUT_LOCK
from gatewright.run.telemetry import Telemetry
from waf.audit.log import AuditLog
from waf.metrics import follow_audit


def audit_log(settings: Audit | None, telemetry: Telemetry) -> AuditLog | None:
    """What the settings ask for; None: no audit log.

    Raises:
        OSError: the file cannot be used.
    """
    if settings is None:
        return None
    outputs: list[Output] = []
    if settings.file is not None:
        outputs.append(FileOutput(Path(settings.file)))
    if settings.stdout:
        outputs.append(SharedOutput(sys.stdout.fileno(), telemetry.folder / STDOUT_LOCK))
    log = AuditLog(outputs, settings.format, settings.show_secrets)
    follow_audit(telemetry.metrics, log)
    return log


def check_place(settings: Audit | None) -> None:
    """Tries the file before any worker starts; else workers would die of it, one after the other.

    Raises:
        OSError: it cannot be used.
    """
    if settings is not None and settings.file is not None:
        FileOutput(Path(settings.file)).close()
