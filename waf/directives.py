"""Directives of the engine as a whole, read into `EngineSettings`."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from waf.actions.contract import ActionProblem
from waf.operators.contract import OperatorProblem
from waf.operators.patterns import compile_pattern
from waf.seclang.syntax import Setting
from waf.settings import EngineSettings

_Field: TypeAlias = tuple[str, Callable[[str], Any]]


def read_setting(settings: EngineSettings, setting: Setting) -> EngineSettings:
    """The settings with one directive more; those that are not the engine's change nothing.

    Raises:
        ActionProblem: the argument cannot be used.
    """
    if setting.name == "SecResponseBodyMimeType":
        types = {each.lower().encode() for text in setting.arguments for each in text.split()}
        return replace(settings, response_body_types=settings.response_body_types | types)
    if setting.name == "SecResponseBodyMimeTypesClear":
        return replace(settings, response_body_types=frozenset())
    if setting.name == "SecComponentSignature":
        parts = [part for part in (settings.signature, _bytes(_only(setting))) if part]
        return replace(settings, signature=b"; ".join(parts))
    field = _FIELDS.get(setting.name)
    if field is None:
        return settings
    name, read = field
    return replace(settings, **{name: read(_only(setting))})


def _only(setting: Setting) -> str:
    if not setting.arguments:
        raise ActionProblem("needs an argument")
    return setting.arguments[0]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise ActionProblem("needs a whole number")
    return int(text)


def _one_of(**choices: object) -> Callable[[str], object]:
    def read(text: str) -> object:
        if text.lower() not in choices:
            raise ActionProblem(f"needs one of {', '.join(choices)}")
        return choices[text.lower()]

    return read


def _byte(text: str) -> bytes:
    if len(_bytes(text)) != 1:
        raise ActionProblem("needs one byte")
    return _bytes(text)


def _parts(text: str) -> str:
    if not set(text.upper()) <= set("ABCDEFGHIJKZ"):
        raise ActionProblem("needs letters from A to K, or Z")
    return text.upper()


def _pattern(text: str) -> str:
    # ModSecurity's recommended file has `^(?:5|4(?!04))` here, which RE2 cannot read.
    try:
        compile_pattern(_bytes(text))
    except OperatorProblem as problem:
        raise ActionProblem(f"needs a regular expression: {problem}") from None
    return text


_SWITCH: Final = _one_of(on=True, off=False)
_OVER: Final = _one_of(reject="reject", processpartial="process-partial")
_FIELDS: Final[Mapping[str, _Field]] = {
    "SecArgumentSeparator": ("argument_separator", _byte),
    "SecArgumentsLimit": ("arguments_limit", _number),
    "SecAuditEngine": ("audit_engine", _one_of(on="on", off="off", relevantonly="relevant-only")),
    "SecAuditLogFormat": ("audit_format", _one_of(json="json", native="native")),
    "SecAuditLogParts": ("audit_parts", _parts),
    "SecAuditLogRelevantStatus": ("audit_relevant_status", _pattern),
    "SecCollectionTimeout": ("collection_timeout", _number),
    "SecCookieFormat": ("cookie_format", _number),
    "SecRequestBodyAccess": ("request_body_access", _SWITCH),
    "SecRequestBodyJsonDepthLimit": ("json_depth_limit", _number),
    "SecRequestBodyLimit": ("request_body_limit", _number),
    "SecRequestBodyLimitAction": ("request_body_limit_action", _OVER),
    "SecRequestBodyNoFilesLimit": ("request_body_no_files_limit", _number),
    "SecResponseBodyAccess": ("response_body_access", _SWITCH),
    "SecResponseBodyLimit": ("response_body_limit", _number),
    "SecResponseBodyLimitAction": ("response_body_limit_action", _OVER),
    "SecRuleEngine": ("engine", _one_of(on="on", off="off", detectiononly="detection-only")),
    "SecSensorId": ("sensor", _bytes),
    "SecUploadFileLimit": ("upload_file_limit", _number),
    "SecWebAppId": ("web_application", _bytes),
}
