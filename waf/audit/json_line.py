"""The audit log as JSON, a line a transaction, with the names that ModSecurity 3 gives things.

Where it differs: fields are lists of pairs, as names may come twice; `would_have` and
`out_of_time` are ours; bodies are told by their size, not shown.
"""

from datetime import UTC, datetime

import msgspec

from waf.audit.record import Noted, Record


def json_line(record: Record) -> str:
    """The line, without its end."""
    when = datetime.fromtimestamp(record.time, UTC)
    transaction: dict[str, object] = {
        "time_stamp": when.strftime("%a %b %d %H:%M:%S %Y"),
        "timestamp": when.isoformat(),
        "duration_ms": round(record.seconds * 1000, 3),
        "server_id": record.sensor,
        "unique_id": record.unique_id,
        "client_ip": record.client[0],
        "client_port": record.client[1],
        "host_ip": record.server[0],
        "host_port": record.server[1],
        "request": {
            "method": record.method,
            "uri": record.target,
            "http_version": record.version.removeprefix("HTTP/"),
            "body_bytes": record.request_bytes,
        },
        "response": {
            "http_code": record.response_status,
            "body_bytes": record.response_bytes,
        },
        "producer": {"secrules_engine": record.engine, "components": [record.components]},
        "interruption": _decided(record.interruption),
        "would_have": _decided(record.would_have),
        "out_of_time": record.out_of_time,
    }
    if "B" in record.parts:
        _headers(transaction["request"], record.request_headers)
    if "F" in record.parts:
        _headers(transaction["response"], record.response_headers)
    if "H" in record.parts or "K" in record.parts:
        transaction["messages"] = [_message(noted) for noted in record.matches]
    return msgspec.json.encode({"transaction": transaction}).decode()


def _headers(side: object, fields: tuple[tuple[str, str], ...]) -> None:
    if isinstance(side, dict):
        side["headers"] = fields


def _decided(decided: tuple[str, int, int | None] | None) -> object:
    if decided is None:
        return None
    action, status, rule = decided
    return {"action": action, "status": status, "rule": rule}


def _message(noted: Noted) -> dict[str, object]:
    return {
        "message": noted.message,
        "details": {
            "ruleId": str(noted.id),
            "file": noted.file,
            "lineNumber": str(noted.line),
            "phase": noted.phase,
            "match": noted.names,
            "data": noted.data,
            "severity": "" if noted.severity is None else str(noted.severity),
            "ver": noted.version,
            "rev": noted.revision,
            "maturity": str(noted.maturity),
            "accuracy": str(noted.accuracy),
            "tags": noted.tags,
        },
    }
