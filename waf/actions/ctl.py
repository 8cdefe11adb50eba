"""ctl: change the engine, or which rules run on what, for the rest of this transaction.

What: `ctl:ruleRemoveById=942100-942999`, `ctl:ruleRemoveTargetByTag=attack-sqli;ARGS:/^q/`,
`ctl:ruleEngine=DetectionOnly`, `ctl:requestBodyProcessor=JSON`.
Arguments: NAME=VALUE of the table below; NAME in any case. A target is a collection, a member of
it, or a pattern of members between slashes.
Where engines differ: ModSecurity 3 has no ByMsg; regular expressions as keys are new in Coraza.
What comes too late does nothing: a body's processor after the body has come, say.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

from waf.actions.contract import ActionProblem, Around, Draft, Step, needed
from waf.ids import id_ranges
from waf.seclang.labels import label_test
from waf.settings import Engine
from waf.state import State

_Find: TypeAlias = Callable[[str], frozenset[int]]
_Maker: TypeAlias = Callable[[str, Around], Step]


def ctl(draft: Draft, argument: str | None, around: Around) -> None:
    """`ctl:NAME=VALUE`."""
    name, equals, value = needed(argument).partition("=")
    maker = CONTROLS.get(name.strip().lower())
    if maker is None:
        known = ", ".join(sorted(CONTROLS))
        raise ActionProblem(f"{name.strip()} is not one of {known}")
    if not equals or not value.strip():
        raise ActionProblem(f"{name.strip()} needs a value")
    draft.steps.append(maker(value.strip(), around))


def _sets(field: str, read: Callable[[str], object]) -> _Maker:
    """A control that puts what `read` makes of its value into this slot of the state."""

    def maker(value: str, around: Around) -> Step:
        del around
        chosen = read(value)

        def step(state: State) -> None:
            setattr(state, field, chosen)

        return step

    return maker


def _by_id(around: Around) -> _Find:
    return around.directory.by_id


def _by_tag(around: Around) -> _Find:
    return around.directory.by_tag


def _by_message(around: Around) -> _Find:
    return around.directory.by_message


def _remove(find: Callable[[Around], _Find]) -> _Maker:
    def maker(value: str, around: Around) -> Step:
        _check(find, value)
        finder = find(around)

        def step(state: State) -> None:
            state.removed |= finder(value)

        return step

    return maker


def _remove_target(find: Callable[[Around], _Find]) -> _Maker:
    def maker(value: str, around: Around) -> Step:
        which, semicolon, target = value.partition(";")
        if not semicolon or not target.strip():
            raise ActionProblem("needs RULES;TARGET")
        which = which.strip()
        _check(find, which)
        finder = find(around)
        covers = around.exception(target.strip())

        def step(state: State) -> None:
            for index in finder(which):
                state.exceptions.setdefault(index, []).append(covers)

        return step

    return maker


def _check(find: Callable[[Around], _Find], which: str) -> None:
    # Rules are looked up when the action runs: at assembly not all of them are there.
    try:
        if find is _by_id:
            id_ranges(which)
        else:
            label_test(which)
    except ValueError as problem:
        raise ActionProblem(str(problem)) from None


def _audit_parts(value: str, around: Around) -> Step:
    del around
    letters = value.lstrip("+-").upper()
    if not letters or not set(letters) <= set("ABCDEFGHIJKZ"):
        raise ActionProblem("auditLogParts needs letters from A to K, or Z")

    def step(state: State) -> None:
        if value.startswith("+"):
            state.audit_parts += "".join(sorted(set(letters) - set(state.audit_parts)))
        elif value.startswith("-"):
            state.audit_parts = "".join(p for p in state.audit_parts if p not in letters)
        else:
            state.audit_parts = letters

    return step


def _one_of(choices: Mapping[str, object]) -> Callable[[str], object]:
    def read(value: str) -> object:
        chosen = choices.get(value.lower())
        if chosen is None:
            raise ActionProblem(f"{value} is not one of {', '.join(choices)}")
        return chosen

    return read


def _size(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 12):
        raise ActionProblem(f"{value} is no number of bytes")
    return int(value)


_ENGINES: Final[Mapping[str, Engine]] = {
    "on": "on",
    "off": "off",
    "detectiononly": "detection-only",
}
_AUDIT_ENGINES: Final[Mapping[str, Literal["on", "off", "relevant-only"]]] = {
    "on": "on",
    "off": "off",
    "relevantonly": "relevant-only",
}
_SWITCH: Final = _one_of({"on": True, "off": False})
_PROCESSOR: Final = _one_of(
    {
        "urlencoded": b"URLENCODED",
        "multipart": b"MULTIPART",
        "json": b"JSON",
        "xml": b"XML",
        "raw": b"RAW",
    }
)
CONTROLS: Final[Mapping[str, _Maker]] = {
    "auditengine": _sets("audit_engine", _one_of(_AUDIT_ENGINES)),
    "auditlogparts": _audit_parts,
    "forcerequestbodyvariable": _sets("force_body_variable", _SWITCH),
    "requestbodyaccess": _sets("request_body_access", _SWITCH),
    "requestbodylimit": _sets("request_body_limit", _size),
    "requestbodyprocessor": _sets("processor", _PROCESSOR),
    "responsebodyaccess": _sets("response_body_access", _SWITCH),
    "responsebodylimit": _sets("response_body_limit", _size),
    "responsebodyprocessor": _sets("response_processor", _PROCESSOR),
    "ruleengine": _sets("engine", _one_of(_ENGINES)),
    "ruleremovebyid": _remove(_by_id),
    "ruleremovebymsg": _remove(_by_message),
    "ruleremovebytag": _remove(_by_tag),
    "ruleremovetargetbyid": _remove_target(_by_id),
    "ruleremovetargetbymsg": _remove_target(_by_message),
    "ruleremovetargetbytag": _remove_target(_by_tag),
}
