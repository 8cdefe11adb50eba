"""The session, as scripts: when this arrives, that goes out."""

import pytest

from callout.ext_proc.budget import Budget
from callout.ext_proc.direction import OUT_OF_ORDER, PIECE
from callout.ext_proc.filter import Block, Change, Edits, Need, Undecided
from callout.ext_proc.messages import (
    BodyMode,
    BodyReply,
    Final,
    HeadReply,
    Message,
    Override,
    Piece,
    TrailersReply,
)
from callout.ext_proc.session import PATIENCE
from callout.grpc.call import Status
from tests.callout.ext_proc.scripts import (
    DENIED,
    ENDLESS,
    FAILED,
    OVER,
    Script,
    Watcher,
    put,
)

NONE, STREAMED, BUFFERED, PARTIAL, DUPLEX, GRPC = (
    BodyMode.NONE,
    BodyMode.STREAMED,
    BodyMode.BUFFERED,
    BodyMode.BUFFERED_PARTIAL,
    BodyMode.FULL_DUPLEX,
    BodyMode.GRPC,
)
LENGTH = (b"content-length", b"5")


# Heads.


def test_heads_go_on_as_they_came() -> None:
    script = Script(Watcher())

    assert script.head(end=True) == [HeadReply(True)]
    assert script.answer(end=True) == [HeadReply(False)]


def test_a_response_is_asked_about_in_the_reverse_order() -> None:
    order: list[str] = []
    first = Watcher(answers={"response_head": lambda head: order.append("first")})
    second = Watcher(answers={"response_head": lambda head: order.append("second")})
    script = Script(first, second)
    script.head(end=True)
    script.answer(end=True)

    assert order == ["second", "first"]


def test_each_filter_sees_what_those_before_it_changed_and_the_gateway_is_told_all() -> None:
    first = Watcher(answers={"request_head": put((b"a", b"1"), (b"b", b"1"))})
    edits = Edits(put=((b"a", b"2"),), remove=(b"b", b"content-length"))
    second = Watcher(answers={"request_head": Change(edits)})
    script = Script(first, second)

    [reply] = script.head((b"a", b"0"), (b"c", b"0"), end=True)

    assert list(second.asked[0][1].headers) == [(b"c", b"0"), (b"a", b"1"), (b"b", b"1")]
    assert reply == HeadReply(True, Edits(put=((b"a", b"2"),), remove=(b"b",)))


def test_findings_of_all_filters_leave_together() -> None:
    first = Watcher(answers={"request_head": Change(metadata={"waf": {"score": 3, "a": 1}})})
    second = Watcher(answers={"request_head": Change(metadata={"waf": {"score": 5}, "dlp": {}})})

    [reply] = Script(first, second).head(end=True)

    assert isinstance(reply, HeadReply)
    assert reply.metadata == {"waf": {"score": 5, "a": 1}, "dlp": {}}


@pytest.mark.parametrize("method", ["request_head", "response_head"])
def test_a_block_ends_the_exchange_and_nobody_is_asked_after_it(method: str) -> None:
    first, second = Watcher(answers={method: DENIED}), Watcher(answers={method: DENIED})
    script = Script(first, second)
    out = script.head(end=True)
    if method == "response_head":
        assert out == [HeadReply(True)]
        out = script.answer(end=True)

    assert out == [Final(DENIED)]
    assert script.session.over
    assert len([each for each in first.asked + second.asked if each[0] == method]) == 1
    assert script.notes == [(method.partition("_")[0], "blocked")]


def test_a_request_that_has_no_plan_passes_and_one_that_is_refused_is_answered() -> None:
    script = Script(request=DUPLEX, response=DUPLEX, plan=lambda head: None)
    assert script.head() == [HeadReply(True)]
    assert script.body(b"x", True) == [Piece(True, b"x", True)]

    script = Script(plan=lambda head: Block(400, "path"))
    assert script.head(end=True) == [Final(Block(400, "path"))]


def test_a_response_to_a_request_that_we_did_not_see_passes() -> None:
    script = Script(Watcher(answers={"response_head": DENIED}))

    assert script.answer() == [HeadReply(False)]
    assert script.answer_body(b"x", True) == [BodyReply(False)]


# Needs and modes.


def test_a_filter_that_needs_the_whole_body_is_asked_once_when_there_is_none() -> None:
    watcher = Watcher(Need.WHOLE, answers={"request_body": put((b"x-score", b"0"))})
    script = Script(watcher, request=DUPLEX, response=DUPLEX)

    assert script.head(end=True) == [HeadReply(True, Edits(((b"x-score", b"0"),)))]
    assert watcher.bodies == [("request_body", b"", True)]


def test_buffered_is_looked_at_whole() -> None:
    watcher = Watcher(Need.WHOLE)
    script = Script(watcher, request=BUFFERED)

    assert script.head(LENGTH) == [HeadReply(True)]
    assert script.body(b"hello", True) == [BodyReply(True)]
    assert watcher.bodies == [("request_body", b"hello", True)]


@pytest.mark.parametrize("promised", [True, False])
def test_a_buffered_body_that_changes_brings_its_length_where_one_was_promised(
    promised: bool,
) -> None:
    watcher = Watcher(
        Need.WHOLE, answers={"request_body": Change(Edits(((b"x", b"1"),)), b"hello!")}
    )
    script = Script(watcher, request=BUFFERED)
    script.head(*([LENGTH] if promised else []))

    length = ((b"content-length", b"6"),) if promised else ()
    assert script.body(b"hello", True) == [
        BodyReply(True, b"hello!", Edits(((b"x", b"1"), *length)))
    ]


def test_streamed_pieces_are_kept_until_the_end_is_known() -> None:
    watcher = Watcher(Need.WHOLE)
    script = Script(watcher, request=STREAMED)

    assert script.head() == [HeadReply(True)]
    assert script.body(b"he") == [BodyReply(True, b"")]
    assert script.body(b"llo") == [BodyReply(True, b"")]
    assert script.budget.held == 5
    assert script.body(b"", True) == [BodyReply(True, b"hello")]
    assert script.budget.held == 0
    assert watcher.bodies == [("request_body", b"hello", True)]


def test_a_streamed_body_of_one_piece_is_not_sent_back() -> None:
    script = Script(Watcher(Need.WHOLE), request=STREAMED)
    script.head()

    assert script.body(b"hello", True) == [BodyReply(True)]


def test_in_full_duplex_nothing_goes_on_before_the_verdict() -> None:
    watcher = Watcher(Need.WHOLE, answers={"request_body": put((b"x-score", b"0"))})
    script = Script(watcher, request=DUPLEX)

    assert script.head() == []
    assert script.body(b"he") == []
    assert script.body(b"llo") == []
    assert script.session.waited_for
    assert script.body(b"", True) == [
        HeadReply(True, Edits(((b"x-score", b"0"),))),
        Piece(True, b"hello", True),
    ]
    assert not script.session.waited_for


def test_in_full_duplex_a_body_leaves_in_pieces_of_64_kib() -> None:
    body = bytes(range(256)) * 600
    script = Script(
        Watcher(Need.WHOLE), request=DUPLEX, most=1 << 20, budget=Budget(1 << 20, 1 << 20)
    )
    script.head()
    script.body(body)

    pieces = script.body(b"", True)[1:]

    assert all(isinstance(each, Piece) and len(each.data) <= PIECE for each in pieces)
    assert b"".join(each.data for each in pieces if isinstance(each, Piece)) == body
    assert [each.end for each in pieces if isinstance(each, Piece)] == [False, False, True]


def test_in_full_duplex_a_body_that_ends_in_trailers_has_no_other_end() -> None:
    script = Script(Watcher(Need.WHOLE), request=DUPLEX)
    script.head()
    script.body(b"hello")

    assert script.trailers((b"x-sum", b"1")) == [
        HeadReply(True),
        Piece(True, b"hello", False),
        TrailersReply(True),
    ]


def test_a_streamed_body_that_ends_in_trailers_cannot_be_sent_and_fails() -> None:
    script = Script(Watcher(Need.WHOLE), request=STREAMED)
    script.head()
    script.body(b"hello")

    assert script.trailers() == [Final(FAILED)]
    assert script.notes == [("request", "tail")]

    script = Script(Watcher(Need.WHOLE), request=STREAMED, failed=None)
    script.head()
    script.body(b"hello")
    [end] = script.trailers()
    assert isinstance(end, Status)
    assert end.code.name == "INTERNAL"


def test_a_buffered_body_may_be_followed_by_trailers() -> None:
    watcher = Watcher(Need.WHOLE, answers={"request_trailers": put((b"x", b"1"))})
    script = Script(watcher, request=BUFFERED)
    script.head()

    assert script.body(b"hello") == [BodyReply(True)]
    assert script.trailers() == [TrailersReply(True, Edits(((b"x", b"1"),)))]
    assert watcher.bodies == [("request_body", b"hello", True)]


def test_pieces_go_through_the_filters_as_they_come() -> None:
    watcher = Watcher(
        Need.STREAM, answers={"request_body": lambda body, end: Change(body=body.upper())}
    )
    script = Script(watcher, request=STREAMED)

    assert script.head() == [HeadReply(True)]
    assert script.body(b"he") == [BodyReply(True, b"HE")]
    assert script.body(b"llo", True) == [BodyReply(True, b"LLO")]
    assert watcher.bodies == [("request_body", b"he", False), ("request_body", b"llo", True)]


def test_a_filter_may_keep_bytes_back_until_the_end() -> None:
    kept: list[bytes] = []

    def look(body: bytes, end: bool) -> Change:
        kept.append(body)
        return Change(body=b"".join(kept) if end else b"")

    script = Script(Watcher(Need.STREAM, answers={"request_body": look}), request=DUPLEX)

    assert script.head() == [HeadReply(True)]
    assert script.body(b"he") == []
    assert script.body(b"llo") == []
    assert script.trailers() == [Piece(True, b"hello", False), TrailersReply(True)]


def test_whole_and_pieces_together_are_whole() -> None:
    whole, pieces = Watcher(Need.WHOLE), Watcher(Need.STREAM)
    script = Script(whole, pieces, request=DUPLEX)
    script.head()
    script.body(b"he")
    script.body(b"llo", True)

    assert whole.bodies == pieces.bodies == [("request_body", b"hello", True)]


def test_a_body_that_is_not_sent_although_it_is_needed_is_a_failure() -> None:
    for mode in (NONE, GRPC):
        script = Script(Watcher(Need.WHOLE), request=mode)
        assert script.head() == [Final(FAILED)]
        assert script.notes == [("request", "stale")]

    watcher = Watcher(Need.WHOLE, answers={"response_head": DENIED})
    script = Script(watcher, request=NONE, failed=None)
    assert script.head() == [HeadReply(True)]
    assert script.answer(end=True) == [HeadReply(False)]
    assert watcher.bodies == []


# Overrides.


def test_the_answer_to_the_head_asks_for_the_body_that_is_needed() -> None:
    script = Script(Watcher(Need.WHOLE), override=True)
    assert script.head(LENGTH) == [
        HeadReply(True, override=Override(BUFFERED, NONE, True, True, False))
    ]
    assert script.answer(LENGTH) == [
        HeadReply(False, override=Override(BUFFERED, BUFFERED, True, True, True))
    ]


def test_what_has_no_length_or_a_large_one_is_streamed_and_loses_its_length() -> None:
    without = Edits(remove=(b"content-length",))
    over = Override(STREAMED, NONE, True, True, False)
    for fields in ([], [(b"content-length", b"90000")], [(b"content-length", b"x")]):
        script = Script(Watcher(Need.WHOLE), override=True, most=1 << 20)
        assert script.head(*fields) == [HeadReply(True, without, over)]


def test_what_announces_trailers_is_buffered() -> None:
    script = Script(Watcher(Need.WHOLE), override=True)

    [reply] = script.head((b"trailer", b"x-sum"))

    assert isinstance(reply, HeadReply)
    assert reply.override == Override(BUFFERED, NONE, True, True, False)


def test_nothing_more_is_asked_for_when_nobody_needs_it() -> None:
    script = Script(Watcher(wanted=False), request=BUFFERED, response=BUFFERED, override=True)

    assert script.head() == [HeadReply(True, override=Override(NONE, NONE, False, False, False))]


def test_the_response_to_head_is_not_streamed() -> None:
    script = Script(Watcher(), response=STREAMED, override=True)
    assert script.head(method=b"HEAD", end=True) == [
        HeadReply(True, override=Override(NONE, NONE, False, True, False))
    ]


@pytest.mark.parametrize(
    "script",
    [
        Script(Watcher(Need.WHOLE), request=STREAMED, override=True, eager=True),
        Script(Watcher(Need.STREAM), request=DUPLEX, override=True),
        Script(Watcher(Need.WHOLE), request=STREAMED, response=DUPLEX, override=True),
        Script(Watcher(Need.WHOLE), request=STREAMED),
    ],
    ids=["eager", "duplex", "one of them duplex", "not allowed"],
)
def test_modes_are_not_overridden_where_envoy_would_not_listen(script: Script) -> None:
    assert script.head() == [HeadReply(True)]


# Tunnels, gRPC, events.

UPGRADE = [(b"connection", b"keep-alive, Upgrade"), (b"upgrade", b"websocket")]


def test_tunnels_get_the_written_verdict() -> None:
    for need in (Need.WHOLE, Need.STREAM):
        script = Script(Watcher(need), request=STREAMED)
        assert script.head(*UPGRADE, method=b"GET") == [Final(ENDLESS)]
        script = Script(Watcher(need), request=STREAMED)
        assert script.head(method=b"CONNECT") == [Final(ENDLESS)]

    watcher = Watcher(Need.WHOLE)
    script = Script(watcher, request=STREAMED, response=STREAMED, endless=None)
    assert script.head(*UPGRADE, method=b"GET") == [HeadReply(True)]
    assert script.body(b"frame") == [BodyReply(True)]
    assert script.answer(status=101) == [HeadReply(False)]
    assert script.answer_body(b"frame") == [BodyReply(False)]
    assert watcher.bodies == [("request_body", b"", False), ("response_body", b"", False)]
    assert script.notes == [("request", "endless"), ("response", "endless")]


@pytest.mark.parametrize(
    "fields",
    [
        [*UPGRADE, (b"content-length", b"5")],
        [*UPGRADE, (b"transfer-encoding", b"chunked")],
        [(b"upgrade", b"websocket")],
        [(b"connection", b"close"), (b"upgrade", b"websocket")],
    ],
)
def test_a_header_alone_makes_no_tunnel_of_a_body(fields: list[tuple[bytes, bytes]]) -> None:
    watcher = Watcher(Need.WHOLE)
    script = Script(watcher, request=DUPLEX)
    assert script.head(*fields, method=b"GET") == []
    script.body(b"hello", True)

    assert watcher.bodies == [("request_body", b"hello", True)]


def test_an_upgrade_of_a_post_is_a_body_like_any_other() -> None:
    script = Script(Watcher(Need.WHOLE), request=DUPLEX)

    assert script.head(*UPGRADE) == []


def test_grpc_and_events_are_looked_at_in_pieces_only() -> None:
    grpc = (b"content-type", b"application/grpc+proto")
    whole, pieces = Watcher(Need.WHOLE), Watcher(Need.STREAM)
    script = Script(whole, pieces, request=DUPLEX, response=DUPLEX, endless=None)
    assert script.head(grpc) == [HeadReply(True)]
    assert script.body(b"frame") == [Piece(True, b"frame", False)]
    assert script.body(b"", True) == [Piece(True, b"", True)]
    assert script.answer((b"content-type", b"text/event-stream; charset=utf-8")) == [
        HeadReply(False)
    ]
    assert script.answer_body(b"data: 1\n\n") == [Piece(False, b"data: 1\n\n", False)]

    assert whole.bodies == [("request_body", b"", False), ("response_body", b"", False)]
    assert pieces.bodies == [
        ("request_body", b"frame", False),
        ("request_body", b"", True),
        ("response_body", b"data: 1\n\n", False),
    ]
    script = Script(Watcher(Need.WHOLE), request=DUPLEX)
    assert script.head(grpc) == [Final(ENDLESS)]


def test_pieces_that_are_not_sent_although_they_are_needed_are_a_failure() -> None:
    script = Script(Watcher(Need.WHOLE), Watcher(Need.STREAM), request=NONE, endless=None)

    assert script.head((b"content-type", b"application/grpc")) == [Final(FAILED)]
    assert script.notes == [("request", "endless"), ("request", "stale")]


# Sizes, failures, time.


@pytest.mark.parametrize("mode", [BUFFERED, STREAMED, DUPLEX])
def test_a_body_over_the_limit_gets_the_written_answer(mode: BodyMode) -> None:
    script = Script(Watcher(Need.WHOLE), request=mode, most=4)
    script.head()
    assert script.body(b"hello", mode is BUFFERED) == [Final(OVER)]
    assert script.notes == [("request", "over")]

    script = Script(Watcher(Need.WHOLE), request=mode, most=4)
    assert script.head(LENGTH) == [Final(OVER)]  # before anything of it came


@pytest.mark.parametrize("mode", [BUFFERED, STREAMED, DUPLEX])
def test_where_it_may_pass_its_beginning_is_looked_at(mode: BodyMode) -> None:
    watcher = Watcher(Need.WHOLE)
    pieces = Watcher(
        Need.STREAM, answers={"request_body": lambda body, end: Change(body=body.upper())}
    )
    script = Script(watcher, pieces, request=mode, most=4, over=None)
    script.head(LENGTH)
    if mode is BUFFERED:
        script.body(b"hello world", True)
        seen = [b"hell", b"o world"]
    else:
        script.body(b"hel")
        script.body(b"lo wo")
        script.body(b"rld", True)
        seen = [b"hell", b"o wo", b"rld"]

    assert watcher.bodies == [("request_body", b"hell", False)]
    assert [each[1] for each in pieces.bodies] == seen
    assert pieces.bodies[-1][2] is True
    assert script.sent[True] == b"HELLO WORLD"
    assert script.notes == [("request", "over")]
    assert script.budget.held == 0


def test_the_rest_of_a_partial_body_is_over_the_limit() -> None:
    for over, answer in ((OVER, Final(OVER)), (None, BodyReply(True))):
        watcher = Watcher(Need.WHOLE)
        script = Script(watcher, request=PARTIAL, over=over)
        script.head()
        assert script.body(b"hello", False) == [answer]
        assert script.notes == [("request", "over")]
        assert watcher.bodies == ([] if over else [("request_body", b"hello", False)])

    script = Script(Watcher(Need.WHOLE), request=PARTIAL)
    script.head()
    assert script.body(b"hello", True) == [BodyReply(True)]


def test_bytes_that_no_exchange_may_keep_are_a_failure() -> None:
    budget = Budget(8, 6)
    one = Script(Watcher(Need.WHOLE), request=DUPLEX, budget=budget)
    one.head()
    one.body(b"12345")
    other = Script(Watcher(Need.WHOLE), request=DUPLEX, budget=budget)
    other.head()
    assert other.body(b"1234") == [Final(FAILED)]
    assert other.notes == [("request", "no_room")]
    assert one.body(b"67") == [Final(FAILED)]
    one.session.close()
    other.session.close()
    assert budget.held == 0


def test_where_failures_may_pass_what_was_kept_goes_on() -> None:
    script = Script(Watcher(Need.WHOLE), request=DUPLEX, failed=None, budget=Budget(5, 5))
    script.head()
    script.body(b"hello")

    assert script.body(b" world") == [HeadReply(True), Piece(True, b"hello world", False)]
    assert script.body(b"!", True) == [Piece(True, b"!", True)]
    assert script.budget.held == 0


@pytest.mark.parametrize(
    "answer", [Undecided("time"), ValueError("secret")], ids=["says", "raises"]
)
@pytest.mark.parametrize(
    "method",
    [
        "request_head",
        "request_body",
        "request_trailers",
        "response_head",
        "response_body",
        "response_trailers",
    ],
)
def test_a_filter_that_cannot_tell_is_a_failure_wherever_it_is(method: str, answer: object) -> None:
    for failed in (FAILED, None):
        watcher = Watcher(Need.WHOLE, answers={method: answer})
        script = Script(watcher, request=DUPLEX, response=DUPLEX, failed=failed)
        out = _whole_exchange(script)
        assert script.notes == [(method.partition("_")[0], "undecided")]
        assert len(script.errors) == isinstance(answer, Exception)
        assert out[-1] == (Final(FAILED) if failed else TrailersReply(False))
        if not failed:
            assert script.sent == {True: b"hello", False: b"world"}


def _whole_exchange(script: Script) -> list[Message]:
    out: list[Message] = []
    for step in (
        script.head,
        lambda: script.body(b"hello"),
        script.trailers,
        script.answer,
        lambda: script.answer_body(b"world"),
        script.answer_trailers,
    ):
        if not script.session.over:
            out += step()
    return out


def test_a_failure_that_may_pass_lets_go_of_the_other_direction_too() -> None:
    watcher = Watcher(Need.WHOLE, answers={"response_head": Undecided("time")})
    script = Script(watcher, request=DUPLEX, response=DUPLEX, failed=None, most=5)
    script.head()
    script.body(b"hello")
    assert script.answer() == [HeadReply(False)]

    assert script.body(b" world", True) == [HeadReply(True), Piece(True, b"hello world", True)]
    assert watcher.bodies == []


def test_who_waits_for_a_body_waits_only_so_long() -> None:
    script = Script(Watcher(Need.WHOLE), request=DUPLEX)
    assert script.session.due is None
    script.head()
    assert script.session.due == script.now + PATIENCE
    script.now += PATIENCE / 2
    script.body(b"h")
    assert script.later(PATIENCE / 4) == []
    assert script.later(PATIENCE / 4) == [Final(FAILED)]
    assert script.notes == [("request", "stalled")]


@pytest.mark.parametrize("mode", [STREAMED, DUPLEX])
def test_where_it_may_pass_a_slow_body_goes_on_unseen(mode: BodyMode) -> None:
    script = Script(Watcher(Need.WHOLE), request=mode, failed=None)
    script.head()
    script.body(b"he")
    script.later(PATIENCE)
    assert script.session.due is None
    script.body(b"l")
    script.body(b"lo", True)

    assert script.sent[True] == b"hello"
    assert script.budget.held == 0


def test_nothing_is_waited_for_when_the_body_came() -> None:
    for mode in (STREAMED, DUPLEX, BUFFERED):
        script = Script(Watcher(Need.WHOLE), request=mode)
        script.head()
        script.body(b"hello", True)
        assert script.session.due is None


def test_filters_are_told_their_deadline_and_that_it_is_over_once() -> None:
    watcher = Watcher()
    script = Script(watcher)
    script.head(end=True)
    assert watcher.at is not None
    assert watcher.at.now == script.now
    assert watcher.at.deadline == script.now + 0.1
    script.session.close()
    script.session.close()

    assert watcher.asked.count(("done",)) == 1


def test_done_is_told_to_all_even_if_one_raises() -> None:
    first, second = Watcher(answers={"done": ValueError()}), Watcher()
    script = Script(first, second)
    script.head(end=True)
    script.session.close()

    assert second.asked[-1] == ("done",)
    assert len(script.errors) == 1


@pytest.mark.parametrize(
    "steps",
    [
        lambda script: script.body(b"x"),
        lambda script: script.trailers(),
        lambda script: script.head(end=True) and script.head(end=True),
        lambda script: script.head() and script.body(b"", True) and script.body(b""),
        lambda script: script.head() and script.trailers() and script.trailers(),
        lambda script: script.head() and script.trailers() and script.body(b""),
        lambda script: script.head() and script.answer_body(b"x"),
        lambda script: script.answer(end=True) and script.head(),
        lambda script: script.answer(end=True) and script.answer(end=True),
        lambda script: script.head(end=True) and script.body(b"x"),
    ],
)
def test_messages_out_of_order_end_the_stream_with_an_error(steps: object) -> None:
    script = Script(Watcher(), request=STREAMED, response=STREAMED)

    assert steps(script) == [OUT_OF_ORDER]
    assert script.session.over
