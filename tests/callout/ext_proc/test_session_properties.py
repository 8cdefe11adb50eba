"""However a body is cut, the same bytes leave, and a filter sees the same bytes."""

import itertools
from typing import Any

from envoy.service.ext_proc.v3 import external_processor_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.ext_proc.budget import Budget
from callout.ext_proc.envoy import read, write
from callout.ext_proc.filter import Change, Need, Undecided
from callout.ext_proc.messages import BodyMode, Final
from callout.ext_proc.plan import WORDS
from callout.grpc.call import Status
from tests.callout.ext_proc.scripts import DENIED, FAILED, OVER, Script, Watcher

METHODS = [
    f"{side}_{part}" for side in ("request", "response") for part in ("head", "body", "trailers")
]
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


FIELDS = st.lists(
    st.sampled_from(
        [
            (b"content-length", b"5"),
            (b"content-length", b"500"),
            (b"content-type", b"application/grpc"),
            (b"content-type", b"text/event-stream"),
            (b"trailer", b"x"),
            (b"upgrade", b"websocket"),
            (b"connection", b"upgrade"),
        ]
    ),
    max_size=3,
)
HEAD = st.tuples(st.just("head"), FIELDS, st.booleans())
STEPS = st.one_of(
    HEAD,
    st.tuples(st.just("answer"), FIELDS, st.booleans()),
    st.tuples(st.sampled_from(["body", "answer_body"]), st.binary(max_size=30), st.booleans()),
    st.tuples(st.sampled_from(["trailers", "answer_trailers"])),
    st.tuples(st.just("later"), st.floats(0, 100)),
)
VERDICTS = st.sampled_from(
    [None, None, Change(), Change(body=b"changed"), DENIED, Undecided("time"), ValueError("bug")]
)


@settings(max_examples=300, deadline=None)
@given(
    modes=st.tuples(st.sampled_from(BodyMode), st.sampled_from(BodyMode)),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    needs=st.lists(st.sampled_from(Need), max_size=2),
    verdicts=st.dictionaries(st.sampled_from(METHODS), VERDICTS, max_size=3),
    # Most begin as exchanges begin: others are over with their first message.
    begin=st.one_of(HEAD.map(lambda head: [head]), HEAD.map(lambda head: [head]), st.just([])),
    steps=st.lists(STEPS, max_size=12),
)
def test_nothing_that_a_gateway_may_send_breaks_a_session(
    modes: tuple[BodyMode, BodyMode],
    flags: tuple[bool, ...],
    needs: list[Need],
    verdicts: dict[str, Any],
    begin: list[tuple[Any, ...]],
    steps: list[tuple[Any, ...]],
) -> None:
    override, eager, over, endless, failed = flags
    script = Script(
        *(Watcher(need, answers=dict(verdicts)) for need in needs),
        request=modes[0],
        response=modes[1],
        override=override,
        eager=eager,
        most=20,
        over=OVER if over else None,
        endless=DENIED if endless else None,
        failed=FAILED if failed else None,
        budget=Budget(40, 30),
    )
    for name, *what in begin + steps:
        if script.session.over:
            break
        if name in ("head", "answer"):
            out = getattr(script, name)(*what[0], end=what[1])
        else:
            out = getattr(script, name)(*what)
        assert script.session.over == bool(out and isinstance(out[-1], Final | Status))
        assert not any(isinstance(each, Final | Status) for each in out[:-1])
        for each in out:
            if not isinstance(each, Status):
                assert write(each)
    script.session.close()
    assert script.budget.held == 0
    assert {word for _, word in script.notes} <= set(WORDS)


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


REQUEST = external_processor_pb2.ProcessingRequest(
    request_headers={"headers": {"headers": [{"key": ":method", "raw_value": b"GET"}]}},
    protocol_config={"request_body_mode": 4},
)
REQUEST.attributes["envoy.filters.http.ext_proc"].update({"source.address": "127.0.0.1:4"})
MESSAGE: bytes = REQUEST.SerializeToString()


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(MESSAGE)), st.integers(0, len(MESSAGE)), st.binary(max_size=8))
def test_no_bytes_break_the_reader(at: int, to: int, instead: bytes) -> None:
    read(instead)
    read(MESSAGE[:at] + instead + MESSAGE[to:])
