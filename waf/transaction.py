"""One request and its response before the rules, in the order of the protocol.

A transaction opens nothing and reads no clock. Its methods are called in the order in which they
stand; each says whether a rule interrupted. After an interruption only `logging` has an effect.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, Protocol

from callout.http.head import Peer, RequestHead, ResponseHead
from waf.collections.contract import Store
from waf.collections.members import Members
from waf.collections.memory import MemoryStore
from waf.interruption import Interruption
from waf.nomination import Nomination
from waf.operators.contract import Captures
from waf.processors import choose, decode
from waf.rules import CompiledRule, RuleSet
from waf.state import Found, Labels, State
from waf.values import Values

_RULES_PER_LOOK: Final = 8
"""Rules between two looks at the time: a look costs what a cheap rule does, 0.1 us."""
_LARGE: Final = 65_536
"""Bytes of a body from which on the time is looked at before each rule."""
_VALUES_PER_LOOK: Final = 256


@dataclass(frozen=True, slots=True)
class Budget:
    """How long the rules of one transaction may take."""

    seconds: float = 0.1
    """Of all phases together. Half of Envoy's message_timeout of 200 ms."""
    verdict: Literal["deny", "pass"] = "deny"
    """`deny` or `pass`, when they take longer; in DetectionOnly they always pass."""
    status: int = 503
    """Of the refusal."""


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that matched, with its whole chain."""

    labels: Labels
    found: tuple[Found, ...]
    """What it and its links matched, transformed. Secrets may be among it: not for logs."""
    message: bytes
    log_data: bytes
    logged: bool
    audited: bool


class Watch(Protocol):
    """Told what rules and links of chains find, whether or not the whole of a chain matches."""

    def __call__(self, rule: CompiledRule, hits: Sequence[Found], state: State) -> None:
        """Called for those that found something; hits are transformed values."""
        ...


class OutOfTime(Exception):
    """The budget is spent; never leaves the transaction."""


class Transaction:
    """Of one request; used by one task."""

    def __init__(
        self,
        rules: RuleSet,
        unique_id: bytes,
        now: float,
        elapsed: Callable[[], float] = lambda: 0.0,
        *,
        budget: Budget | None = None,
        store: Store | None = None,
        nominate: Nomination | None = None,
        watch: Watch | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Begins before anything was sent.

        Args:
            rules: shared by all transactions.
            unique_id: UNIQUE_ID, by which logs name the request.
            now: seconds since 1970, when the request came.
            elapsed: seconds since then, for DURATION and the budget.
            budget: None: rules may take any time.
            store: of persistent collections; None: they live no longer than this transaction.
            nominate: tells rules that cannot match; None: every rule is asked.
            watch: told what rules find, to explain it; None: nobody asks.
            clock: seconds, to tell how long each rule takes; None: nobody asks.
        """
        self._rules: Final = rules
        self._store: Final[Store] = MemoryStore() if store is None else store
        self._budget: Final = budget
        self._left = 0.0 if budget is None else budget.seconds
        self._until = 0.0
        self._keys: Final[dict[str, bytes]] = {}
        self.state: Final = State(rules.settings, unique_id, now, elapsed, self._open, rules.tx)
        self._nominate: Final = nominate
        self._watch: Final = watch
        self._clock: Final = clock
        self._values: Final = Values(self.state, rules.chains)
        self.matched: Final[list[Match]] = []
        """In the order in which they matched; those with `nolog`, too."""
        self.nominated = 0
        """Rules that could have matched; without nomination, all."""
        self.spent: Final[dict[int, float]] = {}
        """Seconds by the id of the rule, 0 for the nomination; nothing without `clock`. What a rule
        is the first to look at is found and transformed in its time."""
        self.out_of_time = False
        """The budget was spent before all rules had run."""

    @property
    def interruption(self) -> Interruption | None:
        """What ended the transaction; None: nothing did."""
        return self.state.interruption

    @property
    def shadow(self) -> Interruption | None:
        """What would have ended it first, had the engine not been DetectionOnly."""
        return self.state.shadow

    def request_head(self, head: RequestHead, peer: Peer) -> Interruption | None:
        """The head has come: phase 1."""
        state = self.state
        state.request, state.peer = head, peer
        state.processor = choose(head.headers)
        return self._phase(1)

    def wants_request_body(self) -> bool:
        """Whether phase 2 is to see the body of this request."""
        state = self.state
        return state.engine != "off" and state.request_body_access and state.interruption is None

    def request_body(self, body: bytes, cut: bool = False) -> Interruption | None:
        """The body, whole and with its content coding taken off, or none: phase 2.

        Args:
            body: empty where there is none, or it is not wanted.
            cut: there was more, which is not here.
        """
        state = self.state
        if self.wants_request_body():
            if cut or len(body) > state.request_body_limit:
                state.inbound_overflow = True
                if state.settings.request_body_limit_action == "reject" and self._interrupt(
                    Interruption("deny", 413, None, 2, reason="body-limit")
                ):
                    return state.interruption
                body = body[: state.request_body_limit]
            state.body = body
            if state.force_body_variable and not state.processor:
                # As ModSecurity 2 and Coraza do: what has no type is read as a form.
                state.processor = b"URLENCODED"
            if body:
                state.body_values = decode(state.processor, state.request, body, state.settings)
        return self._phase(2)

    def response_head(self, head: ResponseHead) -> Interruption | None:
        """The response's head has come: phase 3."""
        self.state.response = head
        return self._phase(3)

    def wants_response_body(self) -> bool:
        """Whether phase 4 is to see the body of this response."""
        state = self.state
        if state.engine == "off" or not state.response_body_access or state.response is None:
            return False
        if state.interruption is not None:
            return False
        media = (state.response.headers.get(b"content-type") or b"").partition(b";")[0]
        return media.strip().lower() in state.settings.response_body_types

    def response_body(self, body: bytes, cut: bool = False) -> Interruption | None:
        """The response's body, with its content coding taken off, or none: phase 4."""
        state = self.state
        if self.wants_response_body():
            if cut or len(body) > state.response_body_limit:
                state.outbound_overflow = True
                if state.settings.response_body_limit_action == "reject" and self._interrupt(
                    Interruption("deny", 500, None, 4, reason="body-limit")
                ):
                    return state.interruption
                body = body[: state.response_body_limit]
            state.response_body = body
        return self._phase(4)

    def logging(self) -> None:
        """Everything is over: phase 5, whose rules refuse nothing; collections are written."""
        self._phase(5)
        state = self.state
        now = state.now + state.elapsed()
        for name, members in state.collections.items():
            self._store.write(
                name, self._keys[name], members.changes(), now, state.settings.collection_timeout
            )

    def _phase(self, phase: int) -> Interruption | None:
        state = self.state
        if state.engine == "off" or (state.interruption is not None and phase != 5):
            return state.interruption
        if phase != 5 and (state.allowed == "allow" or (state.allowed == "request" and phase <= 2)):
            return None
        state.phase = phase
        self._values.forget()
        # What a body takes until it is here is not the rules' time.
        began = state.elapsed()
        self._until = began + self._left
        try:
            self._run(phase)
        except OutOfTime:
            self._spent(phase)
        self._left -= state.elapsed() - began
        if state.allowed == "phase":
            state.allowed = ""
        return state.interruption

    def _run(self, phase: int) -> None:
        state = self.state
        rules = self._rules.phases.get(phase, ())
        removed = state.removed
        large = len(state.body) + len(state.response_body) >= _LARGE
        rules_per_look = 1 if large else _RULES_PER_LOOK
        positions: Sequence[int] = range(len(rules))
        clock = self._clock
        if self._nominate is not None and rules:
            begun = 0.0 if clock is None else clock()
            positions = self._nominate(phase, self._values, self._look)
            if clock is not None:
                self.spent[0] = self.spent.get(0, 0.0) + clock() - begun
        self.nominated += len(positions)
        matches = self._matches if clock is None else partial(self._timed, clock)
        at = 0
        while at < len(positions):
            rule = rules[positions[at]]
            at += 1
            if at % rules_per_look == 0:
                self._look()
            if (removed and rule.index in removed) or not matches(rule):
                continue
            if state.engine == "off":
                return
            if rule.after is not None:
                at = bisect_left(positions, rule.after, at)
            if rule.verdict != "pass" and phase != 5 and self._disrupt(rule):
                return

    def _timed(self, clock: Callable[[], float], rule: CompiledRule) -> bool:
        begun = clock()
        try:
            return self._matches(rule)
        finally:
            spent, which = self.spent, rule.labels.id
            spent[which] = spent.get(which, 0.0) + clock() - begun

    def _matches(self, rule: CompiledRule) -> bool:
        """Ask a rule and the links of its chain, and tell if all of them match."""
        state = self.state
        if state.matches:
            state.matches.clear()
        if not self._evaluate(rule):
            return False
        for link in rule.links:
            if not self._evaluate(link):
                return False
        labels = rule.labels
        if labels.severity is not None and labels.severity < state.highest_severity:
            state.highest_severity = labels.severity
        message, log_data = rule.message, rule.log_data
        told = rule.logged or rule.audited
        self.matched.append(
            Match(
                labels,
                tuple(state.matches),
                (message if isinstance(message, bytes) else message(state)) if told else b"",
                (log_data if isinstance(log_data, bytes) else log_data(state)) if told else b"",
                rule.logged,
                rule.audited,
            )
        )
        return True

    def _evaluate(self, rule: CompiledRule) -> bool:
        """Ask one rule, without its links: the one place where values are tested."""
        state = self.state
        group = rule.group
        if group is None:
            state.labels = rule.labels
            for step in rule.steps:
                step(state)
            return True
        values = self._values.of(group)
        if not values:
            return False
        if state.exceptions and rule.index in state.exceptions:
            # CRS takes REQUEST_FILENAME from rules that test each of 1,000 arguments too.
            exceptions = state.exceptions[rule.index]
            named = {collection for collection, _ in exceptions}
            values = [
                found
                for found in values
                if found[0] not in named
                or not any(name == found[0] and covers(found[1]) for name, covers in exceptions)
            ]
        test = rule.test
        if test is None:
            if rule.dynamic is None:
                return False
            test = rule.dynamic(state)
            if test is None:
                return False
        if len(values) > _VALUES_PER_LOOK:
            self._look()
        # Rules that match are few: which values do is found first, in the shortest loop there is.
        hits: list[tuple[Found, Captures]]
        if rule.negated:
            hits = [(found, ()) for found in values if test(found[2]) is None]
        else:
            hits = [
                (found, captures) for found in values if (captures := test(found[2])) is not None
            ]
        if not hits:
            return False
        if self._watch is not None:
            self._watch(rule, [found for found, _ in hits], state)
        for found, captures in hits:
            state.matches.append(found)
            state.labels = rule.labels
            if rule.capture:
                _capture(state.tx, captures)
            for step in rule.steps:
                step(state)
        return True

    def _disrupt(self, rule: CompiledRule) -> bool:
        """Do what a rule that matched decides; tell whether the phase is over."""
        state = self.state
        if rule.verdict == "allow":
            if state.engine == "on":
                state.allowed = rule.allow
                return True
            return False
        if rule.verdict == "redirect":
            location = rule.location
            where = location if isinstance(location, bytes) else location(state)
            decided = Interruption("redirect", rule.status, rule.labels.id, state.phase, where)
        else:
            action: Literal["drop", "deny"] = "drop" if rule.verdict == "drop" else "deny"
            decided = Interruption(action, rule.status, rule.labels.id, state.phase)
        return self._interrupt(decided) is not None

    def _interrupt(self, decided: Interruption) -> Interruption | None:
        state = self.state
        if state.engine == "on":
            state.interruption = decided
        elif state.shadow is None:
            state.shadow = decided
        return state.interruption

    def _look(self) -> None:
        budget = self._budget
        if budget is not None and self.state.elapsed() > self._until:
            raise OutOfTime

    def _spent(self, phase: int) -> None:
        self.out_of_time = True
        budget = self._budget
        if budget is not None and budget.verdict == "deny" and phase != 5:
            self._interrupt(Interruption("deny", budget.status, None, phase, reason="time"))

    def _open(self, state: State, name: str, key: bytes) -> Members:
        scoped = state.settings.web_application + b"\0" + key if name in _PER_APPLICATION else key
        self._keys[name] = scoped
        return Members(self._store.open(name, scoped, state.now + state.elapsed()))


_PER_APPLICATION: Final = ("SESSION", "USER")
_NUMBERS: Final = tuple(b"%d" % number for number in range(10))


def _capture(tx: Members, captures: Captures) -> None:
    for position, name in enumerate(_NUMBERS):
        value = captures[position] if position < len(captures) else None
        if value is not None:
            tx.put(name, value)
        elif tx.pair(name) is not None:
            tx.remove(name)
