"""Whether a match is told: log, nolog, auditlog, noauditlog.

What: `nolog` keeps a match out of the log and of the audit log; `log` and `auditlog` put it back.
Where engines differ: none do.
"""

from waf.actions.contract import Around, Draft


def log(draft: Draft, argument: str | None, around: Around) -> None:
    """`log`: into the log, and the audit log."""
    del argument, around
    draft.logged = draft.audited = True


def no_log(draft: Draft, argument: str | None, around: Around) -> None:
    """`nolog`: into neither."""
    del argument, around
    draft.logged = draft.audited = False


def audit_log(draft: Draft, argument: str | None, around: Around) -> None:
    """`auditlog`: into the audit log."""
    del argument, around
    draft.audited = True


def no_audit_log(draft: Draft, argument: str | None, around: Around) -> None:
    """`noauditlog`: not into the audit log."""
    del argument, around
    draft.audited = False
