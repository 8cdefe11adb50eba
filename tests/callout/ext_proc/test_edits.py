"""Changes of header fields, one after the other."""

from hypothesis import given
from hypothesis import strategies as st

from callout.ext_proc.edits import allowed, edited, then
from callout.ext_proc.filter import NO_EDITS, Edits
from callout.http.head import Headers

NAMES = st.sampled_from([b"a", b"b", b"c"])
FIELDS = st.lists(st.tuples(NAMES, st.sampled_from([b"1", b"2"])), max_size=3).map(tuple)
EDITS = st.builds(Edits, FIELDS, FIELDS, st.lists(NAMES, max_size=2).map(tuple))


@given(FIELDS, EDITS, EDITS)
def test_two_changes_as_one_do_what_they_do_in_turn(
    fields: tuple[tuple[bytes, bytes], ...], first: Edits, second: Edits
) -> None:
    headers = Headers(fields)
    both, turn = edited(headers, then(first, second)), edited(edited(headers, first), second)
    for name in (b"a", b"b", b"c"):
        assert both.all(name) == turn.all(name)


def test_what_frames_a_message_is_left_out() -> None:
    fields = ((b"content-length", b"5"), (b"a", b"1"), (b"transfer-encoding", b"chunked"))
    edits = Edits(fields, fields, (b"content-length", b"b"))

    assert allowed(edits) == Edits(((b"a", b"1"),), ((b"a", b"1"),), (b"b",))


def test_no_change_gives_the_very_headers() -> None:
    headers = Headers([(b"a", b"1")])

    assert edited(headers, NO_EDITS) is headers
