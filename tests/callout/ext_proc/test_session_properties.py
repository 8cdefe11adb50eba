"""However a body is cut, the same bytes leave, and a filter sees the same bytes."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from callout.ext_proc.filter import Change, Need
from callout.ext_proc.messages import BodyMode, Final
from tests.callout.ext_proc.scripts import OVER, Script, Watcher

MODES = st.sampled_from([BodyMode.STREAMED, BodyMode.FULL_DUPLEX])
CUT = st.lists(st.binary(max_size=40), max_size=12)


class Hiding:
    """A filter of pieces: masks `secret`, and keeps back what may become one."""

    def __init__(self) -> None:
        self.kept = b""

    def __call__(self, body: bytes, end: bool) -> Change:
        text = (self.kept + body).replace(b"secret", b"******")
        size = 0 if end else next(n for n in range(5, -1, -1) if text.endswith(b"secret"[:n]))
        self.kept = text[len(text) - size :]
        return Change(body=text[: len(text) - size])


@settings(max_examples=150, deadline=None)
@given(mode=MODES, need=st.sampled_from(Need), pieces=CUT, response=st.booleans())
def test_what_nobody_changes_leaves_as_it_came(
    mode: BodyMode, need: Need, pieces: list[bytes], response: bool
) -> None:
    watcher = Watcher(need)
    script = Script(watcher, request=mode, response=mode, most=10_000)
    _run(script, pieces, response, trailers=False)

    whole = b"".join(pieces)
    assert script.sent == {not response: whole, response: b""}
    if need is not Need.NONE:
        about = [each for each in watcher.bodies if each[0].startswith("resp") == response]
        assert b"".join(each[1] for each in about) == whole
        assert [each[2] for each in about] == [False] * (len(about) - 1) + [True]
    assert script.budget.held == 0
    assert not script.session.waited_for


@settings(max_examples=150, deadline=None)
@given(
    mode=MODES,
    text=st.lists(st.sampled_from([b"sec", b"ret", b"s", b"e", b"x", b"secret", b""]), max_size=12),
    cuts=st.lists(st.integers(0, 60), max_size=8),
    trailers=st.booleans(),
)
def test_a_change_is_the_same_however_the_body_is_cut(
    mode: BodyMode, text: list[bytes], cuts: list[int], trailers: bool
) -> None:
    whole = b"".join(text)
    places = sorted({0, len(whole), *(each for each in cuts if each < len(whole))})
    pieces = [whole[a:b] for a, b in itertools.pairwise(places)]
    hiding = Hiding()
    script = Script(
        Watcher(Need.STREAM, answers={"request_body": hiding}), request=mode, most=10_000
    )
    out = _run(script, pieces, False, trailers)

    wanted = whole.replace(b"secret", b"******")
    if isinstance(out, Final):
        # STREAMED has no message left for what was kept back until the trailers.
        assert mode is BodyMode.STREAMED
        assert trailers
        assert wanted.startswith(script.sent[True])
        assert script.notes == [("request", "tail")]
    else:
        assert script.sent[True] == wanted


@settings(max_examples=150, deadline=None)
@given(mode=MODES, pieces=CUT, most=st.integers(0, 100), passes=st.booleans())
def test_of_a_body_over_the_limit_all_or_nothing_leaves(
    mode: BodyMode, pieces: list[bytes], most: int, passes: bool
) -> None:
    watcher = Watcher(Need.WHOLE)
    script = Script(watcher, request=mode, most=most, over=None if passes else OVER)
    out = _run(script, pieces, False, False)

    whole = b"".join(pieces)
    if len(whole) <= most or passes:
        assert script.sent[True] == whole
        assert watcher.bodies == [("request_body", whole[:most], len(whole) <= most)]
    else:
        assert isinstance(out, Final)
        assert script.sent[True] == b""
        assert watcher.bodies == []
    script.session.close()
    assert script.budget.held == 0


def _run(script: Script, pieces: list[bytes], response: bool, trailers: bool) -> object:
    if response:
        script.head(end=True)
    out = (script.answer if response else script.head)()
    more = script.answer_body if response else script.body
    for each in pieces:
        if not script.session.over:
            out = more(each)
    if not script.session.over:
        last = script.answer_trailers if response else script.trailers
        out = last() if trailers else more(b"", True)
    return out[-1] if out else None
