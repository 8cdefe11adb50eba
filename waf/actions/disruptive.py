"""What becomes of the request: allow, block, deny, drop, pass, redirect, and the status.

What: `deny,status:403` refuses; `block` does what the phase's SecDefaultAction says; `drop` closes
the connection; `redirect:https://example.com/` sends elsewhere; `pass` goes on; `allow` ends the
rules of all phases but 5, `allow:phase` those of this one, `allow:request` those of 1 and 2.
In DetectionOnly none of them does anything, `allow` neither. The last one written counts.
Where engines differ: ModSecurity 3 and Coraza take `block` without a default for `deny`, 2 for
what its own default says, `pass`.
"""

from waf.actions.contract import ActionProblem, Around, Draft, needed, whole_number


def allow(draft: Draft, argument: str | None, around: Around) -> None:
    """`allow`, `allow:phase`, `allow:request`."""
    del around
    scope = (argument or "allow").strip().lower()
    if scope not in ("allow", "phase", "request"):
        raise ActionProblem("takes phase, request or nothing")
    draft.verdict, draft.allow = "allow", scope


def block(draft: Draft, argument: str | None, around: Around) -> None:
    """`block`."""
    del argument, around
    draft.verdict = "block"


def deny(draft: Draft, argument: str | None, around: Around) -> None:
    """`deny`: 403, or the rule's status."""
    del argument, around
    draft.verdict = "deny"


def drop(draft: Draft, argument: str | None, around: Around) -> None:
    """`drop`."""
    del argument, around
    draft.verdict = "drop"


def let_pass(draft: Draft, argument: str | None, around: Around) -> None:
    """`pass`."""
    del argument, around
    draft.verdict = "pass"


def redirect(draft: Draft, argument: str | None, around: Around) -> None:
    """`redirect:https://example.com/?was=%{REQUEST_URI}`: 302, or the rule's status of 300s."""
    draft.location = around.text(needed(argument))
    draft.verdict = "redirect"


def status(draft: Draft, argument: str | None, around: Around) -> None:
    """`status:403`."""
    del around
    draft.status = whole_number(argument, 200, 599)
