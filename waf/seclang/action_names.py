"""The actions that a rule may have: whether they take an argument, and where they may stand.

Where engines differ: ModSecurity 2 refuses every label in a link of a chain, 3 and Coraza take
them; all three, or two of them, refuse what is refused here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

Group: TypeAlias = Literal["disruptive", "log", "auditlog", "label", "flow", "each", ""]
"""Actions of one group exclude one another when rules inherit, but for these: `label` describes
the rule, `flow` says which rule is next, `each` may stand many times, and of the rest the last of
a name counts."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an action before the engine reads its argument."""

    name: str
    """As the manuals spell it."""
    argument: Literal["needed", "may", "none"] = "none"
    group: Group = ""
    head: bool = False
    """Of a chain, only the first rule may have it: what it says is of the chain as a whole."""


_TABLE: Final = (
    Known("accuracy", "needed", "label"),
    Known("allow", "may", "disruptive", head=True),
    Known("append", "needed"),
    Known("auditlog", group="auditlog"),
    Known("block", group="disruptive", head=True),
    Known("capture"),
    Known("chain", group="flow"),
    Known("ctl", "needed", "each"),
    Known("deny", group="disruptive", head=True),
    Known("deprecatevar", "needed", "each"),
    Known("drop", group="disruptive", head=True),
    Known("exec", "needed", "each"),
    Known("expirevar", "needed", "each"),
    Known("id", "needed", "label", head=True),
    Known("initcol", "needed", "each"),
    Known("log", group="log"),
    Known("logdata", "needed", "label"),
    Known("maturity", "needed", "label"),
    Known("msg", "needed", "label"),
    Known("multiMatch"),
    Known("noauditlog", group="auditlog"),
    Known("nolog", group="log"),
    Known("pass", group="disruptive", head=True),
    Known("pause", "needed", "disruptive", head=True),
    Known("phase", "needed", "label", head=True),
    Known("prepend", "needed"),
    Known("proxy", "needed", "disruptive", head=True),
    Known("redirect", "needed", "disruptive", head=True),
    Known("rev", "needed", "label"),
    Known("sanitiseArg", "needed", "each"),
    Known("sanitiseMatched"),
    Known("sanitiseMatchedBytes", "may"),
    Known("sanitiseRequestHeader", "needed", "each"),
    Known("sanitiseResponseHeader", "needed", "each"),
    Known("sanitizeArg", "needed", "each"),
    Known("sanitizeMatched"),
    Known("sanitizeMatchedBytes", "may"),
    Known("sanitizeRequestHeader", "needed", "each"),
    Known("sanitizeResponseHeader", "needed", "each"),
    Known("setenv", "needed", "each"),
    Known("setrsc", "needed"),
    Known("setsid", "needed"),
    Known("setuid", "needed"),
    Known("setvar", "needed", "each"),
    Known("severity", "needed", "label"),
    Known("skip", "needed", "flow", head=True),
    Known("skipAfter", "needed", "flow", head=True),
    Known("status", "needed"),
    Known("t", "needed", "each"),
    Known("tag", "needed", "each"),
    Known("ver", "needed", "label"),
    Known("xmlns", "needed", "each"),
)

ACTIONS: Final[Mapping[str, Known]] = MappingProxyType({each.name.lower(): each for each in _TABLE})
"""By name in lower case. What an argument means, and what is refused, the engine's actions say."""

TRANSFORMATIONS: Final = frozenset(
    [
        "none",
        "base64Decode",
        "base64DecodeExt",
        "base64Encode",
        "cmdLine",
        "compressWhitespace",
        "cssDecode",
        "escapeSeqDecode",
        "hexDecode",
        "hexEncode",
        "htmlEntityDecode",
        "jsDecode",
        "length",
        "lowercase",
        "md5",
        "normalisePath",
        "normalisePathWin",
        "normalizePath",
        "normalizePathWin",
        "parityEven7bit",
        "parityOdd7bit",
        "parityZero7bit",
        "removeComments",
        "removeCommentsChar",
        "removeNulls",
        "removeWhitespace",
        "replaceComments",
        "replaceNulls",
        "sha1",
        "sqlHexDecode",
        "trim",
        "trimLeft",
        "trimRight",
        "uppercase",
        "urlDecode",
        "urlDecodeUni",
        "urlEncode",
        "utf8toUnicode",
    ]
)
"""What may follow `t:`, as the manuals spell it; a rule may write them in any case."""
