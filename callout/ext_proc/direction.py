"""One direction of an exchange: its head, what becomes of its body, its trailers."""

from collections.abc import Sequence
from typing import Final as Constant

from callout.ext_proc.budget import Share
from callout.ext_proc.edits import then
from callout.ext_proc.exchange import UNCHANGED, Exchange, merged
from callout.ext_proc.filter import NO_EDITS, Block, Change, Edits, HttpFilter, Moment, Need
from callout.ext_proc.messages import (
    BodyMode,
    BodyReply,
    Final,
    HeadReply,
    Message,
    Piece,
    TrailersReply,
)
from callout.ext_proc.modes import Kind, Way, choose, declared_length
from callout.grpc.call import Code, Status
from callout.http.head import Headers

PIECE: Constant = 64 << 10
"""Bytes of a body in one message of FULL_DUPLEX_STREAMED, as Envoy advises. The other modes allow
one message for each that came, whatever it is to carry."""

OUT_OF_ORDER: Constant = Status(Code.FAILED_PRECONDITION, "a message out of order")
_ONE_MESSAGE: Constant = (BodyMode.BUFFERED, BodyMode.BUFFERED_PARTIAL)
_TAIL: Constant = Status(Code.INTERNAL, "bytes that were kept cannot be sent any more")


class Direction:
    """Every method returns what goes out; a `Final` or a `Status` among it is the last."""

    __slots__ = (
        "_body_over",
        "_exchange",
        "_has_length",
        "_in_pieces",
        "_kept",
        "_lookers",
        "_message_over",
        "_open",
        "_request",
        "_share",
        "_size",
        "_withheld",
        "due",
        "mode",
        "way",
    )

    def __init__(self, request: bool, exchange: Exchange, share: Share, mode: BodyMode) -> None:
        self._request = request
        self._exchange = exchange
        self._share = share
        self.mode = mode
        """How the body is sent."""
        self.way = Way.PASS
        """What becomes of it."""
        self.due: float | None = None
        """When waiting for the rest of the body ends, in seconds; None: nothing is waited for."""
        self._lookers: Sequence[HttpFilter] = ()
        self._in_pieces: Sequence[HttpFilter] = ()
        self._withheld: HeadReply | None = None
        self._kept: list[bytes] = []
        self._size = 0
        self._has_length = False
        self._open = False  # whether the head came
        self._body_over = False
        self._message_over = False

    # The head. `plan_body` says what becomes of the body, `begin` answers.

    def plan_body(self, kind: Kind, headers: Headers, override: bool, at: Moment) -> Change | Block:
        """The head came: choose how the body travels, and ask who will not see any."""
        exchange, request = self._exchange, self._request
        side = exchange.side(request)
        needs = exchange.needs(request)
        if isinstance(needs, Block):
            return needs
        self._open = True
        if kind is Kind.BODYLESS:
            self._body_over = True
            if override:
                self.mode = BodyMode.NONE
            if not needs:
                return UNCHANGED
            # There is nothing in which bytes could be put.
            lookers = [each for each, _ in needs]
            return _without_body(exchange.body(request, lookers, b"", True, at))
        need = max((each for _, each in needs), default=Need.NONE)
        length = declared_length(headers.all(b"content-length"))
        choice = choose(self.mode, override, need, kind, length, b"trailer" in headers, side.most)
        self.mode, self.way = choice.mode, choice.way
        self._has_length = length is not None
        self._lookers = [each for each, _ in needs]
        self._in_pieces = [each for each, need in needs if need is Need.STREAM]
        if choice.unseen:
            return self._unseen(choice.unseen, kind, needs, override, at)
        if self.way is Way.HOLD and length is not None and length > side.most and side.over:
            exchange.note(request, "over")
            return side.over
        return UNCHANGED

    def _unseen(
        self,
        word: str,
        kind: Kind,
        needs: Sequence[tuple[HttpFilter, Need]],
        override: bool,
        at: Moment,
    ) -> Change | Block:
        """The body will not be seen by all who need it."""
        exchange, request = self._exchange, self._request
        if word == "stale":
            # Nobody is asked any more, if the plan lets it pass.
            return exchange.fail(request, word) or UNCHANGED
        exchange.note(request, word)
        block = exchange.side(request).endless
        if block is not None:
            return block
        self._lookers = self._in_pieces
        if self._lookers and kind is not Kind.TUNNEL:
            choice = choose(self.mode, override, Need.STREAM, kind, None, False, 0)
            if choice.unseen:
                return exchange.fail(request, choice.unseen) or UNCHANGED
            self.mode, self.way = choice.mode, choice.way
        whole = [each for each, need in needs if need is Need.WHOLE]
        return _without_body(exchange.body(request, whole, b"", False, at))

    def begin(self, reply: HeadReply, now: float, patience: float) -> list[Message]:
        """Answer the head, or keep the answer until the body is known."""
        if self.way is not Way.PASS and self.mode is BodyMode.STREAMED and reply.override:
            # Envoy takes it away itself where it was configured to stream, but not always where it
            # is told to: a body that grew would be cut off there.
            edits = reply.edits
            edits = edits._replace(remove=(*edits.remove, b"content-length"))
            reply = reply._replace(edits=edits)
        if self.way is Way.HOLD:
            self.due = now + patience
            if self.mode is BodyMode.FULL_DUPLEX:
                self._withheld = reply
                return []
        return [reply]

    # The body.

    def body(self, data: bytes, end: bool, at: Moment) -> list[Message]:
        """The body, or a piece of it."""
        if self._body_over or not self._open:
            return [OUT_OF_ORDER]
        # These are one message, whatever it says of its end when there are trailers.
        over = self._body_over = end or self.mode in _ONE_MESSAGE
        self._message_over = end
        self._heed()
        if self.way is Way.HOLD:
            return self._hold(data, over, at)
        if self.way is Way.PASS:
            return self._send(UNCHANGED, data, end)
        change = self._ask(data, over, at)
        return [Final(change)] if isinstance(change, Block) else self._send(change, data, end)

    def trailers(self, trailers: Headers, at: Moment) -> list[Message]:
        """The message ends with trailers."""
        if not self._open or self._message_over:
            return [OUT_OF_ORDER]
        out: list[Message] = []
        findings = UNCHANGED
        self._heed()
        if not self._body_over:
            self._body_over = True
            rest = self._unkeep()
            change: Change | Block = UNCHANGED
            if self.way is not Way.PASS:
                change = self._ask(rest, True, at)
            if isinstance(change, Block):
                return [Final(change)]
            out = self._tail(change, rest)
            if out and isinstance(out[-1], Final | Status):
                return out
            if not out:
                findings = Change(metadata=change.metadata)
        self._message_over = True
        said = self._exchange.trailers(self._request, trailers, at)
        if isinstance(said, Block):
            return [Final(said)]
        said = merged(findings, said)
        return [*out, TrailersReply(self._request, said.edits, said.metadata)]

    def expire(self) -> list[Message]:
        """The rest of the body did not come in time."""
        block = self._exchange.fail(self._request, "stalled")
        if block is not None:
            return [Final(block)]
        self.way = Way.PASS
        self.due = None
        if self.mode is BodyMode.FULL_DUPLEX:
            return self._send(UNCHANGED, b"", False)
        return []  # no message waits for an answer: what is kept goes with the next one

    @property
    def waits(self) -> bool:
        """Whether the gateway waits for something of ours."""
        return self._withheld is not None or bool(self._kept)

    def _hold(self, data: bytes, over: bool, at: Moment) -> list[Message]:
        exchange, request = self._exchange, self._request
        side = exchange.side(request)
        if self._size + len(data) > side.most or (over and not self._complete()):
            return self._over(data, at)
        if not over:
            if not self._share.take(len(data)):
                return self._give_up("no_room", data)
            self._kept.append(data)
            self._size += len(data)
            # STREAMED wants an answer for each message: without bytes until the last one.
            return [] if self.mode is BodyMode.FULL_DUPLEX else [BodyReply(request, b"")]
        whole = b"".join((*self._kept, data)) if self._kept else data
        change = self._ask(whole, True, at)
        if isinstance(change, Block):
            return [Final(change)]
        return self._send(change, data, self._message_over)

    def _complete(self) -> bool:
        # The rest of a BUFFERED_PARTIAL body passes unseen.
        return self.mode is not BodyMode.BUFFERED_PARTIAL or self._message_over

    def _over(self, data: bytes, at: Moment) -> list[Message]:
        exchange, request = self._exchange, self._request
        side = exchange.side(request)
        exchange.note(request, "over")
        if side.over is not None:
            return [Final(side.over)]
        both = b"".join((*self._kept, data))
        first, rest = both[: side.most], both[side.most :]
        change = exchange.body(request, self._lookers, first, False, at)
        if isinstance(change, Block):
            return [Final(change)]
        # Who takes it in pieces gets the others, too.
        self._lookers = self._in_pieces
        self.way = Way.FLOW if self._lookers else Way.PASS
        self._heed()
        if self.way is Way.FLOW:
            more = self._ask(rest, self._body_over, at)
            if isinstance(more, Block):
                return [Final(more)]
            if more.body is not None:
                change = change._replace(body=first if change.body is None else change.body)
                rest = more.body
        if change.body is not None:
            change = change._replace(body=change.body + rest)
        return self._send(change, data, self._message_over)

    def _give_up(self, word: str, data: bytes) -> list[Message]:
        block = self._exchange.fail(self._request, word)
        if block is not None:
            return [Final(block)]
        self.way = Way.PASS
        return self._send(UNCHANGED, data, self._message_over)

    def _ask(self, data: bytes, end: bool, at: Moment) -> Change | Block:
        return self._exchange.body(self._request, self._lookers, data, end, at)

    def _heed(self) -> None:
        """Nobody looks any more, if anything of the exchange met a failure that may pass."""
        if self._exchange.abandoned:
            self.way = Way.PASS

    def _send(self, change: Change, data: bytes, end: bool) -> list[Message]:
        """Answer a message: with `change` of all that was kept and `data`."""
        request = self._request
        body = change.body
        if self._kept:
            kept = self._unkeep()
            if body is None:
                body = kept + data
        self.due = None
        if self.mode is BodyMode.FULL_DUPLEX:
            return self._pieces(change, data if body is None else body, end)
        edits = NO_EDITS
        if self.mode is BodyMode.BUFFERED:
            # STREAMED ignores them.
            edits = change.edits
            if body is not None and self._has_length:
                # Without it, or with the old one, Envoy answers 500 whatever its failure mode.
                edits = then(edits, Edits(((b"content-length", b"%d" % len(body)),)))
        return [BodyReply(request, body, edits, change.metadata)]

    def _pieces(self, change: Change, data: bytes, end: bool) -> list[Message]:
        request = self._request
        out: list[Message] = []
        findings = change.metadata
        if (head := self._withheld) is not None:
            self._withheld = None
            both = merged(Change(head.edits, None, head.metadata), change)
            out.append(head._replace(edits=both.edits, metadata=both.metadata))
            findings = None
        last = max(0, len(data) - 1) // PIECE * PIECE
        out += [Piece(request, data[at : at + PIECE], False) for at in range(0, last, PIECE)]
        if end or data or findings:
            out.append(Piece(request, data[last:] if last else data, end, findings))
        return out

    def _tail(self, change: Change, data: bytes) -> list[Message]:
        """What is left when trailers come."""
        self.due = None
        data = data if change.body is None else change.body
        if self.mode is BodyMode.FULL_DUPLEX:
            return self._pieces(change, data, False)
        if not data:
            return []
        # Every message has been answered, because Envoy sends no trailers before that, and the
        # trailers' answer carries no bytes.
        block = self._exchange.fail(self._request, "tail")
        return [_TAIL if block is None else Final(block)]

    def _unkeep(self) -> bytes:
        kept = b"".join(self._kept)
        self._kept.clear()
        self._share.give(len(kept))
        self._size = 0
        return kept


def _without_body(said: Change | Block) -> Change | Block:
    return said._replace(body=None) if isinstance(said, Change) else said
