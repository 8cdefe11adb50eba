"""The audit log of a worker: chooses, makes records, and hands them to threads that write them."""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from callout.observe.line_writer import LineWriter
from callout.observe.outputs import Output
from waf.audit.json_line import json_line
from waf.audit.native import native
from waf.audit.record import Record, record
from waf.audit.relevance import relevant
from waf.transaction import Transaction

Form: TypeAlias = Literal["json", "native"]
MOST_WAITING: Final = 1000
"""Records that wait for one output: 3 MB with usual requests, 100 MB when each is as large as a
gateway lets it be."""


class AuditLog:
    """Never waits: what an output does not take in time is dropped and counted."""

    def __init__(
        self,
        outputs: Sequence[Output],
        form: Form | None = None,
        show_secrets: bool = False,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """Starts a thread for each output.

        Args:
            outputs: each is given every record.
            form: of all records. None: as the rules of each say, by SecAuditLogFormat.
            show_secrets: nothing is masked but what rules mask.
            most_waiting: records that may wait for one output.
        """
        self.records = 0
        """Transactions that were to be written."""
        self._show_secrets: Final = show_secrets

        def render(record: Record) -> str:
            return json_line(record) if (form or record.form) == "json" else native(record)

        self._writers: Final = [
            LineWriter[Record](output, render, _missing, most_waiting) for output in outputs
        ]

    @property
    def dropped(self) -> int:
        """Records that an output will never have."""
        return sum(each.dropped for each in self._writers)

    @property
    def waiting(self) -> int:
        """Records that wait for the output that is furthest behind."""
        return max(each.waiting for each in self._writers)

    def put(self, transaction: Transaction) -> None:
        """Writes a transaction that is over, if its rules want that."""
        if relevant(transaction):
            self.records += 1
            made = record(transaction, self._show_secrets)
            for each in self._writers:
                each.put(made)

    def close(self, seconds: float = 1.0) -> None:
        """Writes what waits, for at most so many seconds an output; the rest is dropped."""
        for each in self._writers:
            each.close(seconds)


def _missing(records: int) -> str:
    return f'{{"dropped": {records}}}'
