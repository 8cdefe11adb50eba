"""What a rule looks at: `ARGS|!ARGS:token|&REQUEST_HEADERS:/^x-/`."""

import re
from typing import Final, Literal

from callout.config.validate import suggest
from waf.seclang.report import Report
from waf.seclang.shown import shown
from waf.seclang.syntax import Target
from waf.seclang.variables import VARIABLES

_KINDS: Final[dict[str, Literal["value", "count", "except"]]] = {
    "": "value",
    "&": "count",
    "!": "except",
}
_NAME: Final = re.compile(r"\s*(?P<kind>[!&]?)\s*(?P<name>[^\s|,:]*)(?P<colon>:?)", re.ASCII)
_QUOTED: Final = re.compile(r"'(?P<text>(?:[^'\\]|\\.)*)'", re.DOTALL)
_PATTERN: Final = re.compile(r"/(?P<text>(?:[^/\\]|\\.)+)/", re.DOTALL)
_SEPARATOR: Final = re.compile(r"[|,]")
_NEXT: Final = re.compile(r"\s*(?:[|,]|\Z)", re.ASCII)


def parse_targets(text: str, report: Report) -> tuple[Target, ...]:
    """The targets of a rule; of what cannot be understood, a report each.

    They are told apart by `|`, or by `,` as updates of targets mostly do.
    A regular expression stands between slashes, and then a `|` or a comma is part of it; between
    quotes any selector may hold them. Of XML, a slash begins a path.
    """
    targets: list[Target] = []
    at = 0
    while at < len(text) and (name := _NAME.match(text, at)):
        start, at = at, name.end()
        selector: str | None = None
        pattern = False
        if name["colon"]:
            found = _selector(text, at, name["name"].upper())
            if found is None:
                report(at, f"expected a closing {text[at]} of the selector, found none")
                return tuple(targets)
            at, selector, pattern = found
        following = _NEXT.match(text, at)
        if following is None:
            report(at, f"expected `|` before another variable, found {shown(text[at:])}")
            return tuple(targets)
        at = following.end()
        offset = name.start("name") if name["name"] else start
        # `ARGS:` is `ARGS`, as in ModSecurity 2.
        target = Target(name["name"].upper(), selector or None, pattern, _KINDS[name["kind"]])
        if _is_sound(target, text, offset, report):
            targets.append(target)
        if at == len(text) and following.group().strip():
            report(at, "expected a variable after the last separator, found none")
    if not text:
        report(0, "expected at least one variable, found none")
    return tuple(targets)


def _selector(text: str, at: int, collection: str) -> tuple[int, str, bool] | None:
    """The end, the selector, whether it is a pattern; None: a quote or a slash is not closed."""
    mark = text[at : at + 1]
    paths = VARIABLES.get(collection) == "paths"
    if mark == "'":
        quoted = _QUOTED.match(text, at)
        if quoted is None:
            return None
        inner = quoted["text"]
        if not paths and len(inner) > 2 and inner[0] == inner[-1] == "/":
            return quoted.end(), inner[1:-1], True
        return quoted.end(), inner.replace("\\'", "'"), False
    if mark == "/" and not paths:
        found = _PATTERN.match(text, at)
        return None if found is None else (found.end(), found["text"], True)
    separator = _SEPARATOR.search(text, at)
    end = separator.start() if separator else len(text)
    return end, text[at:end].rstrip(" \t\r\n\f\v"), False


def _is_sound(target: Target, text: str, offset: int, report: Report) -> bool:
    name = target.collection
    if not name:
        report(offset, f"expected the name of a variable, found {shown(text[offset:])}")
        return False
    kind = VARIABLES.get(name)
    if kind is None:
        report(
            offset,
            f"expected the name of a variable, found {shown(name)}",
            suggest(name, VARIABLES),
        )
        return False
    if kind == "single" and target.selector is not None:
        report(offset, f"{name} is one value: it has no members to select from")
        return False
    if kind == "paths" and target.selector is None and target.kind != "except":
        report(offset, f"{name} needs a path: `{name}:/*`")
        return False
    return True
