"""CRS put to work in process, and one test of its suite run."""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path

from callout.config.problems import Rejected
from callout.http.head import Headers, Peer, RequestHead
from tests.waf.crs.cases import Case, Sent, Stage
from tests.waf.crs.server import received, refuses, respond
from waf.load import load
from waf.rules import RuleSet
from waf.transaction import Match, Transaction

_NUMBERS = itertools.count()


def files(crs: Path) -> dict[str, bytes]:
    """CRS, and `setup.conf` as `main.conf` over it."""
    found = {
        str(path.relative_to(crs)): path.read_bytes()
        for path in [*crs.glob("*.example"), *crs.glob("rules/*.conf"), *crs.glob("rules/*.data")]
    }
    found["main.conf"] = Path(__file__).with_name("setup.conf").read_bytes()
    return found


def rules(crs: Path) -> RuleSet:
    """The rules of the suite: CRS at paranoia 4."""
    loaded = load("main.conf", files(crs))
    assert not isinstance(loaded, Rejected), "\n".join(map(str, loaded.problems))
    return loaded


@dataclass(frozen=True)
class Seen:
    """What one request came to."""

    status: int
    """400: the server refused it before any rule ran."""
    log: tuple[str, ...]
    """A line for each rule that matched and logs, as ModSecurity writes them."""


def play(rules: RuleSet, sent: Sent) -> Seen:
    """Send one request through the server and the rules."""
    if refuses(sent):
        return Seen(400, ())
    sent = received(sent)
    transaction = transact(rules, sent)
    assert transaction.state.response is not None
    lines = tuple(_line(match) for match in transaction.matched if match.logged)
    return Seen(transaction.state.response.status, lines)


def transact(rules: RuleSet, sent: Sent) -> Transaction:
    """Every phase for a request, with the backend's response."""
    transaction = Transaction(rules, b"%016x" % next(_NUMBERS), 1_760_000_000.0)
    fields = [(name.lower(), value) for name, value in sent.fields]
    head = RequestHead(sent.method, b"http", b"", sent.target, sent.version, Headers(fields))
    transaction.request_head(head, Peer(b"127.0.0.1", 40000, b"127.0.0.1", 80))
    transaction.request_body(sent.body)
    response, body = respond(sent)
    transaction.response_head(response)
    transaction.response_body(body)
    transaction.logging()
    return transaction


def faults(rules: RuleSet, case: Case) -> list[str]:
    """What is not as the test wants it; empty: it passes."""
    return [fault for stage in case.stages for fault in _stage(rules, stage)]


def _stage(rules: RuleSet, stage: Stage) -> list[str]:
    wanted = stage.wanted
    seen = play(rules, stage.sent)
    if wanted.error and seen.status == 400:
        return []
    ids = {int(found) for line in seen.log for found in re.findall(r'^\[id "(\d+)"\]', line)}
    log = "\n".join(seen.log)
    found = [f"{each} did not match" for each in wanted.ids if each not in ids]
    found += [f"{each} matched" for each in wanted.not_ids if each in ids]
    # Without regard to case: some name fields as they were sent, the gateway in lower case.
    if wanted.pattern is not None and not re.search(wanted.pattern, log, re.IGNORECASE):
        found.append(f"{wanted.pattern} is not in the log")
    if wanted.not_pattern is not None and re.search(wanted.not_pattern, log, re.IGNORECASE):
        found.append(f"{wanted.not_pattern} is in the log")
    if wanted.status is not None and wanted.status != seen.status:
        found.append(f"status {seen.status} instead of {wanted.status}")
    return [f"{fault}; matched were {sorted(ids)}" for fault in found]


def _line(match: Match) -> str:
    message = match.message.decode("utf-8", "replace")
    data = match.log_data.decode("utf-8", "replace")
    return f'[id "{match.labels.id}"] [msg "{message}"] [data "{data}"]'.replace("\n", " ")
