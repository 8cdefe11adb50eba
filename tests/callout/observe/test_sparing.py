from callout.observe.sparing import Sparing


def test_one_line_a_second_for_each_kind_and_the_number_of_the_others() -> None:
    sparing = Sparing(1.0)
    assert sparing.due("reset", 10.0) == 0
    assert sparing.due("reset", 10.1) is None
    assert sparing.due("reset", 10.9) is None
    assert sparing.due("tls", 10.9) == 0
    assert sparing.due("reset", 11.0) == 2
    assert sparing.due("reset", 12.5) == 0


def test_kinds_are_bounded() -> None:
    sparing = Sparing(1.0, most=3)
    assert [sparing.due(f"kind {n}", 1.0) for n in range(5)] == [0, 0, 0, 0, None]
    assert len(sparing._kinds) <= 4
