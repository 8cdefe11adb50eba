"""Which transactions the audit log wants."""

from functools import lru_cache

from waf.operators.contract import OperatorProblem, Surroundings, Test
from waf.operators.rx import rx
from waf.transaction import Transaction


def relevant(transaction: Transaction) -> bool:
    """Whether a transaction that is over is to be written.

    All of them while SecAuditEngine is On; of RelevantOnly those in which a rule matched that says
    `auditlog`, and those whose status fits SecAuditLogRelevantStatus. `ctl` may have changed it.
    """
    state = transaction.state
    if state.audit_engine != "relevant-only":
        return state.audit_engine == "on"
    if any(match.audited for match in transaction.matched):
        return True
    pattern = state.settings.audit_relevant_status
    decided = transaction.interruption or state.response
    if not pattern or decided is None:
        return False
    return _test(pattern)(b"%d" % decided.status) is not None


@lru_cache(maxsize=64)  # rule sets with a pattern of their own are few, and live through reloads
def _test(pattern: str) -> Test:
    return rx(pattern.encode("utf-8", "surrogateescape"), Surroundings(read=_no_files))


def _no_files(name: str) -> bytes:
    raise OperatorProblem(f"{name} may not be read here")
