"""Which transactions the audit log wants."""

from collections.abc import Callable

from waf.operators.contract import OperatorProblem, Surroundings
from waf.operators.rx import rx
from waf.settings import EngineSettings
from waf.transaction import Transaction


def relevance(settings: EngineSettings) -> Callable[[Transaction], bool]:
    """Whether a transaction that is over is to be written.

    All of them while SecAuditEngine is On; of RelevantOnly those in which a rule matched that says
    `auditlog`, and those whose status fits SecAuditLogRelevantStatus. `ctl` may have changed it.
    """
    pattern = settings.audit_relevant_status
    status_fits = None
    if pattern:
        status_fits = rx(pattern.encode("utf-8", "surrogateescape"), Surroundings(read=_no_files))

    def wanted(transaction: Transaction) -> bool:
        engine = transaction.state.audit_engine
        if engine != "relevant-only":
            return engine == "on"
        if any(match.audited for match in transaction.matched):
            return True
        interruption, response = transaction.interruption, transaction.state.response
        if status_fits is None or (interruption is None and response is None):
            return False
        status = interruption.status if interruption is not None else 0
        if interruption is None and response is not None:
            status = response.status
        return status_fits(b"%d" % status) is not None

    return wanted


def _no_files(name: str) -> bytes:
    raise OperatorProblem(f"{name} may not be read here")
