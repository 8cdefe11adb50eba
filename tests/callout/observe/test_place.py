from callout.observe.place import place_of


def broken() -> None:
    raise ValueError("planted-secret")


def test_the_innermost_frame_is_named_and_the_text_is_not() -> None:
    try:
        broken()
    except ValueError as error:
        place = place_of(error)
    assert place.partition(":")[0] == "broken"
    assert "planted-secret" not in place


def test_what_was_never_raised_has_no_place() -> None:
    assert place_of(ValueError("x")) == ""
