from callout.observe.paced import EVERY, Paced


def test_one_line_of_a_kind_is_due_in_its_time_and_says_how_many_were_left_out() -> None:
    paced = Paced()
    assert paced.due("flood", 5.0) == 0
    assert [paced.due("flood", 5.0 + EVERY * k / 10) for k in range(1, 10)] == [None] * 9
    assert paced.due("flood", 5.0 + EVERY) == 9
    assert paced.due("flood", 5.0 + 9 * EVERY) == 0


def test_kinds_do_not_silence_each_other() -> None:
    paced = Paced()
    assert paced.due("flood", 5.0) == 0
    assert paced.due("stalled", 5.0) == 0
