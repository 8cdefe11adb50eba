"""What a rule says of itself: id, phase, msg, logdata, tag, severity, ver, rev and the like.

What: `id:942100,phase:2,severity:'CRITICAL',tag:'attack-sqli',msg:'SQL injection'`.
Arguments: id and phase whole numbers (a phase also `request`, `response`, `logging`); severity 0
to 7 or its name; msg and logdata with macros, expanded when the whole chain has matched.
Where engines differ: Coraza takes no phase names; ModSecurity 2 lets a link have its own id.
"""

from typing import Final

from waf.actions.contract import ActionProblem, Around, Draft, needed, whole_number

_PHASES: Final = {"request": 2, "response": 4, "logging": 5}
_SEVERITIES: Final = (
    "emergency",
    "alert",
    "critical",
    "error",
    "warning",
    "notice",
    "info",
    "debug",
)


def rule_id(draft: Draft, argument: str | None, around: Around) -> None:
    """`id:942100`."""
    del around
    draft.id = whole_number(argument, 1, 2**31 - 1)


def phase(draft: Draft, argument: str | None, around: Around) -> None:
    """`phase:2`, `phase:request`."""
    del around
    named = _PHASES.get(needed(argument).lower())
    draft.phase = named if named is not None else whole_number(argument, 1, 5)


def message(draft: Draft, argument: str | None, around: Around) -> None:
    """`msg:'Found %{MATCHED_VAR}'`."""
    around.text(argument or "")
    draft.message = argument or ""


def log_data(draft: Draft, argument: str | None, around: Around) -> None:
    """`logdata:'%{MATCHED_VAR}'`."""
    around.text(argument or "")
    draft.log_data = argument or ""


def tag(draft: Draft, argument: str | None, around: Around) -> None:
    """`tag:'attack-sqli'`."""
    del around
    draft.tags.append(needed(argument))


def severity(draft: Draft, argument: str | None, around: Around) -> None:
    """`severity:'CRITICAL'`, `severity:2`."""
    del around
    name = needed(argument).lower()
    draft.severity = _SEVERITIES.index(name) if name in _SEVERITIES else None
    if draft.severity is None:
        try:
            draft.severity = whole_number(argument, 0, 7)
        except ActionProblem:
            raise ActionProblem(f"needs 0 to 7 or one of {', '.join(_SEVERITIES)}") from None


def version(draft: Draft, argument: str | None, around: Around) -> None:
    """`ver:'OWASP_CRS/4.28.0'`."""
    del around
    draft.version = argument or ""


def revision(draft: Draft, argument: str | None, around: Around) -> None:
    """`rev:'2'`."""
    del around
    draft.revision = argument or ""


def maturity(draft: Draft, argument: str | None, around: Around) -> None:
    """`maturity:9`."""
    del around
    draft.maturity = whole_number(argument, 0, 9)


def accuracy(draft: Draft, argument: str | None, around: Around) -> None:
    """`accuracy:8`."""
    del around
    draft.accuracy = whole_number(argument, 0, 9)
