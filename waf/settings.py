"""What the directives of the rule files say of the engine as a whole."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Engine: TypeAlias = Literal["on", "detection-only", "off"]
"""Off: no rule runs. DetectionOnly: every rule runs, and none refuses."""
OverLimit: TypeAlias = Literal["reject", "process-partial"]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Frozen: a transaction that changes one by `ctl` keeps its own copy of that one."""

    engine: Engine = "off"
    """SecRuleEngine. Off until the rule files say otherwise, as in ModSecurity."""
    request_body_access: bool = False
    """SecRequestBodyAccess: phase 2 sees the body."""
    request_body_limit: int = 134_217_728
    """SecRequestBodyLimit, bytes: ModSecurity's default. The listener's own cap is lower."""
    request_body_limit_action: OverLimit = "reject"
    """SecRequestBodyLimitAction."""
    request_body_no_files_limit: int | None = None
    """SecRequestBodyNoFilesLimit, bytes of a body without its files: more is an error of the body,
    as in ModSecurity 3. None: no limit of its own."""
    json_depth_limit: int = 512
    """SecRequestBodyJsonDepthLimit: deeper is an error of the body, as in ModSecurity 3."""
    arguments_limit: int = 1000
    """SecArgumentsLimit: more is an error of the body, as in ModSecurity 3."""
    argument_separator: bytes = b"&"
    """SecArgumentSeparator: one byte."""
    cookie_format: int = 0
    """SecCookieFormat: 0 Netscape, 1 RFC 2109."""
    upload_file_limit: int = 100
    """SecUploadFileLimit: files of one multipart body."""
    response_body_access: bool = False
    """SecResponseBodyAccess: phase 4 sees the body."""
    response_body_limit: int = 524_288
    """SecResponseBodyLimit, bytes."""
    response_body_limit_action: OverLimit = "process-partial"
    """SecResponseBodyLimitAction."""
    response_body_types: frozenset[bytes] = frozenset({b"text/plain", b"text/html"})
    """SecResponseBodyMimeType: media types in lower case whose bodies phase 4 sees."""
    collection_timeout: int = 3600
    """SecCollectionTimeout, seconds that an untouched persistent collection lives."""
    web_application: bytes = b"default"
    """SecWebAppId: collections of one application are not those of another."""
    sensor: bytes = b"default"
    """SecSensorId, for the audit log."""
    signature: bytes = b""
    """SecComponentSignature, joined by "; ": for the audit log."""
    audit_engine: Literal["on", "off", "relevant-only"] = "off"
    """SecAuditEngine."""
    audit_format: Literal["json", "native"] = "json"
    """SecAuditLogFormat; JSON until the rule files say otherwise, unlike in ModSecurity: a line a
    transaction is what collectors read."""
    audit_parts: str = "AFHZ"
    """SecAuditLogParts."""
    audit_relevant_status: str = ""
    """SecAuditLogRelevantStatus, a pattern of the status; empty: none is relevant."""
