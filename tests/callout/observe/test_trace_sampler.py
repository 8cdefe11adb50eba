from callout.observe.traces.context import Context
from callout.observe.traces.sampler import Sampler

ASKED = Context(b"t" * 16, b"s" * 8, True)
NOT_ASKED = Context(b"t" * 16, b"s" * 8, False)
LOW, HIGH = 0.0, 0.999


def test_without_a_context_chance_decides() -> None:
    sampler = Sampler(0.5, 10)
    assert sampler.sample(None, 0.0, 0.49)
    assert not sampler.sample(None, 0.0, 0.5)
    assert not Sampler(0.0, 10).sample(None, 0.0, LOW)
    assert Sampler(1.0, 10).sample(None, 0.0, HIGH)


def test_a_caller_that_does_not_trace_is_followed_whatever_the_ratio() -> None:
    assert not Sampler(1.0, 10).sample(NOT_ASKED, 0.0, LOW)


def test_a_caller_that_asks_for_every_trace_gets_as_many_as_the_ceiling_says() -> None:
    sampler = Sampler(0.0, 10)
    traced = [sampler.sample(ASKED, 100 + i / 1000, HIGH) for i in range(5000)]
    assert 50 <= sum(traced) <= 60  # ten a second, and one second's worth at the beginning
    assert sampler.refused == 5000 - sum(traced)


def test_beyond_the_ceiling_the_ratio_still_counts() -> None:
    sampler = Sampler(0.5, 0)
    assert sampler.sample(ASKED, 1.0, 0.4)
    assert not sampler.sample(ASKED, 1.0, 0.6)
    assert sampler.refused == 1


def test_less_than_one_trace_a_second_can_be_asked_for() -> None:
    sampler = Sampler(0.0, 0.5)
    assert [sampler.sample(ASKED, 100.0 + i, HIGH) for i in range(5)] == [
        True,
        False,
        True,
        False,
        True,
    ]
