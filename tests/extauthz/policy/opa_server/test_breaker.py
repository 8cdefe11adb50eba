"""When a server is not asked any more, with time as an argument."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from extauthz.policy.opa_server.breaker import FIRST_WAIT, LONGEST_WAIT, THRESHOLD, Breaker

CHANCES = st.floats(0, 1)


def opened(breaker: Breaker, now: float = 0.0) -> Breaker:
    results = [breaker.failed(now, 0.5) for _ in range(THRESHOLD)]
    assert results == [False] * (THRESHOLD - 1) + [True]
    return breaker


def test_the_first_probe_is_due_at_once() -> None:
    assert opened(Breaker(), 7.0).probe_at == 7.0


def test_failures_that_are_not_in_a_row_open_nothing() -> None:
    breaker = Breaker()
    for _ in range(10):
        assert not any(breaker.failed(0.0, 0.5) for _ in range(THRESHOLD - 1))
        assert not breaker.answered()
    assert breaker.state == "closed"


def test_waits_double_up_to_the_longest_and_an_answer_makes_them_begin_anew() -> None:
    breaker = opened(Breaker())
    waits = []
    for _ in range(8):
        breaker.probing()
        breaker.probed(False, 10.0, 1.0)
        waits.append(breaker.probe_at - 10.0)
    doubled = [min(FIRST_WAIT * 2**each, LONGEST_WAIT) for each in range(8)]
    assert [round(each, 6) for each in waits] == doubled
    assert breaker.answered()
    assert opened(breaker, 20.0).probe_at == 20.0


def test_a_server_that_is_well_and_answers_no_question_is_asked_less_and_less() -> None:
    breaker = Breaker()
    waits = []
    for _ in range(6):
        opened(breaker, 0.0)
        waits.append(breaker.probe_at)
        breaker.probing()
        breaker.probed(True, 0.0, 1.0)
        assert breaker.state == "closed"
    assert waits == [0.0, 0.025 * 1.5, 0.05 * 1.5, 0.1 * 1.5, 0.2 * 1.5, 0.25 * 1.5]


@given(CHANCES)
def test_workers_do_not_probe_all_at_once(chance: float) -> None:
    breaker = opened(Breaker())
    for _ in range(6):
        breaker.probing()
        breaker.probed(False, 0.0, chance)
    assert breaker.probe_at == LONGEST_WAIT * (0.5 + chance / 2)


def test_what_was_asked_before_it_opened_changes_nothing_when_it_fails() -> None:
    breaker = opened(Breaker(), 1.0)
    assert not any(breaker.failed(9.0, 1.0) for _ in range(100))
    assert (breaker.state, breaker.probe_at) == ("open", 1.0)


def test_an_answer_says_more_than_a_probe_that_fails() -> None:
    breaker = opened(Breaker())
    breaker.probing()
    assert breaker.answered()
    breaker.probed(False, 0.0, 0.5)
    assert breaker.state == "closed"


class Machine(RuleBasedStateMachine):
    """A breaker beside a model that remembers all that happened."""

    @initialize()
    def begins(self) -> None:
        self.breaker = Breaker()
        self.now = 0.0
        self.in_a_row = 0
        self.asks = True
        self.probing = False

    @rule(seconds=st.floats(0.001, 100))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_question_is_answered(self) -> None:
        assert self.breaker.answered() == (not self.asks)
        self.in_a_row, self.asks, self.probing = 0, True, False

    @rule(chance=CHANCES)
    def a_question_fails(self, chance: float) -> None:
        opened = self.breaker.failed(self.now, chance)
        if self.asks:
            self.in_a_row += 1
            assert opened == (self.in_a_row == THRESHOLD)
            self.asks = not opened
        else:
            assert not opened

    @precondition(lambda self: not self.asks and not self.probing)
    @rule()
    def the_probe_is_sent(self) -> None:
        assert self.breaker.probe_at <= self.now + LONGEST_WAIT
        self.now = max(self.now, self.breaker.probe_at)
        self.breaker.probing()
        self.probing = True

    @rule(good=st.booleans(), chance=CHANCES)
    def a_probe_ends(self, good: bool, chance: float) -> None:
        self.breaker.probed(good, self.now, chance)
        if not self.probing:
            return  # answered meanwhile, so there is nothing to be learned
        self.probing = False
        if good:
            self.asks, self.in_a_row = True, 0

    @invariant()
    def it_is_asked_as_the_model_says(self) -> None:
        state = "closed" if self.asks else "half_open" if self.probing else "open"
        assert self.breaker.state == state

    @invariant()
    def it_is_tried_again_soon(self) -> None:
        assert self.asks or self.breaker.probe_at <= self.now + LONGEST_WAIT


TestBreaker = Machine.TestCase
