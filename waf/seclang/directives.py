"""The directives of ModSecurity 2 and 3 and of Coraza: what they take, and what becomes of them.

`used` ones reach the program. `ignored` ones change nothing here that a request could show.
`warned` ones do something elsewhere that is not done here. `refused` ones would leave a hole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

Effect: TypeAlias = Literal["used", "ignored", "warned", "refused"]


@dataclass(frozen=True, slots=True)
class Known:
    """One directive that is neither a rule nor a marker."""

    name: str
    """As the manuals spell it; a file may write it in any case."""
    least: int = 1
    """Arguments."""
    most: int | None = 1
    """None: as many as there are."""
    effect: Effect = "used"
    why: str = ""
    """Of what is warned about or refused."""


def _ignored(*names: str) -> tuple[Known, ...]:
    return tuple(Known(each, 0, None, effect="ignored") for each in names)


def _warned(why: str, *names: str) -> tuple[Known, ...]:
    return tuple(Known(each, 0, None, effect="warned", why=why) for each in names)


def _refused(why: str, *names: str) -> tuple[Known, ...]:
    return tuple(Known(each, 0, None, effect="refused", why=why) for each in names)


_TABLE: Final = (
    # What rules do when they say nothing themselves, and what is changed of them.
    Known("SecDefaultAction"),
    Known("SecRuleRemoveById", most=None),
    Known("SecRuleRemoveByMsg"),
    Known("SecRuleRemoveByTag"),
    Known("SecRuleUpdateActionById", 2, 2),
    Known("SecRuleUpdateTargetById", 2, 3),
    Known("SecRuleUpdateTargetByMsg", 2, 3),
    Known("SecRuleUpdateTargetByTag", 2, 3),
    # The engine.
    Known("SecRuleEngine"),
    Known("SecArgumentSeparator"),
    Known("SecArgumentsLimit"),
    Known("SecCollectionTimeout"),
    Known("SecComponentSignature"),
    Known("SecCookieFormat"),
    Known("SecDataset", 2, 2),
    Known("SecRequestBodyAccess"),
    Known("SecRequestBodyJsonDepthLimit"),
    Known("SecRequestBodyLimit"),
    Known("SecRequestBodyLimitAction"),
    Known("SecRequestBodyNoFilesLimit"),
    Known("SecResponseBodyAccess"),
    Known("SecResponseBodyLimit"),
    Known("SecResponseBodyLimitAction"),
    Known("SecResponseBodyMimeType", most=None),
    Known("SecResponseBodyMimeTypesClear", 0, 0),
    Known("SecSensorId"),
    Known("SecUnicodeMapFile", 1, 2),
    Known("SecUploadFileLimit"),
    Known("SecWebAppId"),
    # The audit log.
    Known("SecAuditEngine"),
    Known("SecAuditLogFormat"),
    Known("SecAuditLogParts"),
    Known("SecAuditLogRelevantStatus"),
    # Tuning of other engines' regular expressions, memory and threads.
    *_ignored(
        "SecCacheTransformations",
        "SecDebugLog",
        "SecDebugLogLevel",
        "SecInterceptOnError",
        "SecPcreMatchLimit",
        "SecPcreMatchLimitRecursion",
        "SecReadStateLimit",
        "SecRequestBodyInMemoryLimit",
        "SecRulePerfTime",
        "SecRxPreFilter",
        "SecStatusEngine",
        "SecUnicodeCodePage",
        "SecWriteStateLimit",
    ),
    *_warned(
        "uploaded files and collections stay in memory, nothing is written to disk",
        "SecDataDir",
        "SecTmpDir",
        "SecTmpSaveUploadedFiles",
        "SecUploadDir",
        "SecUploadFileMode",
        "SecUploadKeepFiles",
    ),
    *_warned(
        "the audit log is one stream, and where it goes is the process's setting `waf.audit`",
        "SecAuditLog",
        "SecAuditLog2",
        "SecAuditLogDirMode",
        "SecAuditLogFileMode",
        "SecAuditLogPrefix",
        "SecAuditLogStorageDir",
        "SecAuditLogType",
    ),
    *_warned(
        "connections are Envoy's: limit them there",
        "SecConnEngine",
        "SecConnReadStateLimit",
        "SecConnWriteStateLimit",
    ),
    *_warned(
        "what is sent is Envoy's",
        "SecContentInjection",
        "SecDisableBackendCompression",
        "SecServerSignature",
        "SecStreamInBodyInspection",
        "SecStreamOutBodyInspection",
    ),
    *_warned("it needs a database that is not read here", "SecGeoLookupDb", "SecGsbLookupDb"),
    *_warned("no service is asked while a request waits", "SecHttpBlKey"),
    *_warned("it is ModSecurity 2's own", "SecChrootDir", "SecGuardianLog", "SecRuleInheritance"),
    *_warned("a rule that is wrong is an error here", "SecIgnoreRuleCompilationErrors"),
    *_warned("external entities of XML are never read", "SecXmlExternalEntity"),
    *_warned("XML has no place among the arguments", "SecParseXmlIntoArgs"),
    *_refused("rules run no Lua", "SecRuleScript"),
    *_refused(
        "rules come from files, not from the network", "SecRemoteRules", "SecRemoteRulesFailAction"
    ),
    *_refused(
        "there is no hash engine",
        "SecHashEngine",
        "SecHashKey",
        "SecHashMethodPm",
        "SecHashMethodRx",
        "SecHashParam",
    ),
)

DIRECTIVES: Final[Mapping[str, Known]] = MappingProxyType(
    {each.name.lower(): each for each in _TABLE}
)
"""By name in lower case."""

PARSED: Final = ("SecRule", "SecAction", "SecMarker", "Include", "IncludeOptional")
"""Directives that the parser itself understands."""
