"""The audit log in ModSecurity's own format, serial: sections between lines of a boundary.

A: who and when. B: the request's head. F: the response's. H: rules and verdict. Z: the end. Which
of them, SecAuditLogParts says; A and Z always. Bodies (C, E, I, J, K) are not written.
"""

import re
from datetime import UTC, datetime
from typing import Final

from waf.audit.record import Noted, Record

_SEVERITIES: Final = (
    "EMERGENCY",
    "ALERT",
    "CRITICAL",
    "ERROR",
    "WARNING",
    "NOTICE",
    "INFO",
    "DEBUG",
)
_ENGINES: Final = {"on": "ENABLED", "detection-only": "DETECTION_ONLY", "off": "DISABLED"}
_ODD: Final = re.compile(r"[^A-Za-z0-9]")


def native(record: Record) -> str:
    """The sections, without the last line's end."""
    boundary = _ODD.sub("", record.unique_id)[:32] or "0"
    sections = [("A", [_who(record)])]
    if "B" in record.parts:
        first = f"{record.method} {record.target} {record.version}"
        sections.append(("B", [first, *_fields(record.request_headers)]))
    if "F" in record.parts and record.response_status is not None:
        first = f"{record.version} {record.response_status}"
        sections.append(("F", [first, *_fields(record.response_headers)]))
    if "H" in record.parts:
        sections.append(("H", _trailer(record)))
    sections.append(("Z", []))
    return "\n".join(
        line for part, lines in sections for line in (f"--{boundary}-{part}--", *lines, "")
    )


def _who(record: Record) -> str:
    when = datetime.fromtimestamp(record.time, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    client, server = record.client, record.server
    return (
        f"[{when}] {record.unique_id} {client[0] or '-'} {client[1]} {server[0] or '-'} {server[1]}"
    )


def _fields(fields: tuple[tuple[str, str], ...]) -> list[str]:
    return [f"{name}: {value}" for name, value in fields]


def _trailer(record: Record) -> list[str]:
    lines = [_message(noted) for noted in record.matches]
    if record.interruption is not None:
        action, status, rule = record.interruption
        by = "" if rule is None else f" by rule {rule}"
        lines.append(f"Action: Intercepted ({action}, {status}{by})")
    if record.would_have is not None:
        action, status, rule = record.would_have
        by = "" if rule is None else f" by rule {rule}"
        lines.append(f"Would-Have: Intercepted ({action}, {status}{by})")
    if record.out_of_time:
        lines.append("Out-Of-Time: yes")
    lines.append(f"Stopwatch: {round(record.seconds * 1_000_000)}")
    if record.components:
        lines.append(f"Producer: {record.components}")
    lines.append(f'Engine-Mode: "{_ENGINES.get(record.engine, record.engine)}"')
    return lines


def _message(noted: Noted) -> str:
    severity = "" if noted.severity is None else _SEVERITIES[noted.severity]
    details = (
        ("file", noted.file),
        ("line", str(noted.line)),
        ("id", str(noted.id)),
        ("rev", noted.revision),
        ("msg", noted.message),
        ("data", noted.data),
        ("severity", severity),
        ("ver", noted.version),
        *(("tag", tag) for tag in noted.tags),
    )
    found = ", ".join(noted.names[:8]) or "nothing"
    shown = " ".join(f'[{name} "{_quoted(value)}"]' for name, value in details if value)
    return f"Message: Matched {found}. {shown}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
