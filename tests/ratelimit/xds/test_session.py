"""The protocol core, alone and against a model of a state-of-the-world server."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ratelimit.xds.backoff import Backoff
from ratelimit.xds.config_proto import TYPE_URL
from ratelimit.xds.files import Resource
from ratelimit.xds.session import MOST_REASON, OutOfTurn, Request, Response, Session


def response(version: str, nonce: str, content: str = "", type_url: str = TYPE_URL) -> Response:
    return Response(version, nonce, type_url, (Resource(TYPE_URL, content.encode()),))


def test_an_ack_has_the_version_and_the_nonce_of_its_response() -> None:
    session = Session()
    assert session.begin() == Request("", "")
    assert session.take(response("7", "a"))
    assert session.accept() == Request("7", "a")


def test_a_nack_has_the_version_before_the_nonce_and_the_reason() -> None:
    session = Session()
    session.begin()
    session.take(response("1", "a"))
    assert session.refuse("because") == Request("", "a", "because")
    session.take(response("2", "b", "good"))
    session.accept()
    session.take(response("3", "c", "bad"))
    assert session.refuse("because") == Request("2", "c", "because")


def test_a_nack_always_says_something_and_never_more_than_a_page() -> None:
    session = Session()
    session.begin()
    session.take(response("1", "a"))
    assert session.refuse("").reason
    session.take(response("1", "b"))
    assert len(session.refuse("x" * 1_000_000).reason or "") == MOST_REASON


def test_a_new_stream_begins_without_version_and_forgets_what_waited() -> None:
    session = Session()
    session.begin()
    session.take(response("1", "a"))
    session.accept()
    session.take(response("2", "b"))
    assert session.begin() == Request("", "")
    with pytest.raises(OutOfTurn):
        session.accept()
    assert session.take(response("1", "a"))


def test_a_response_of_another_type_is_not_answered() -> None:
    session = Session()
    session.begin()
    other = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    assert not session.take(response("1", "a", type_url=other))
    with pytest.raises(OutOfTurn):
        session.refuse("")


def test_two_responses_cannot_wait_at_a_time() -> None:
    session = Session()
    session.begin()
    session.take(response("1", "a"))
    with pytest.raises(OutOfTurn):
        session.take(response("2", "b"))


def test_what_was_refused_is_known_again_whatever_its_version_also_on_another_stream() -> None:
    session = Session()
    session.begin()
    session.take(response("1", "a", "bad"))
    assert not session.again
    session.refuse("no")
    session.begin()
    session.take(response("2", "b", "bad"))
    assert session.again
    session.refuse("no")
    session.take(response("3", "c", "good"))
    assert not session.again
    session.accept()
    session.take(response("4", "d", "bad"))
    assert not session.again


def test_waits_double_up_to_the_longest_and_chance_spreads_them_by_half() -> None:
    backoff = Backoff(first=1.0, longest=30.0)
    middle = [backoff.delay(failures, 0.5) for failures in range(1, 9)]
    assert middle == [1, 2, 4, 8, 16, 30, 30, 30]
    assert backoff.delay(3, 0.0) == 2.0
    assert 5.9 < backoff.delay(3, 0.999) < 6.0
    assert backoff.delay(10**6, 0.5) == 30.0
    assert backoff.delay(0, 0.5) == 1.0


class Protocol(RuleBasedStateMachine):
    """A server as go-control-plane is one, whose contents change and which dies at any moment.

    It answers a request whose version is not its own at once, also a NACK; otherwise when there
    is something newer. After its own restart it counts versions from 1 again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.session = Session()
        self.version, self.content = 1, "good 0"
        self.in_use: str | None = None
        self.connected = self.watching = False
        self.nonce = 0
        self.sent: Response | None = None
        """Underway to the client."""
        self.got: Response | None = None
        """Taken by the client, not answered."""
        self.refused: str | None = None
        self.acked: str | None = None

    def _send(self) -> None:
        self.nonce += 1
        self.watching = False
        self.sent = response(str(self.version), str(self.nonce), self.content)

    def _ask(self, request: Request) -> None:
        if request.version != str(self.version):
            self._send()
        else:
            self.watching = True

    @precondition(lambda self: not self.connected)
    @rule()
    def connect(self) -> None:
        self.connected, self.sent, self.got = True, None, None
        self._ask(self.session.begin())

    @precondition(lambda self: self.connected)
    @rule()
    def stream_breaks(self) -> None:
        self.connected = self.watching = False

    @rule(good=st.booleans(), number=st.integers(0, 2))
    def server_restarts(self, good: bool, number: int) -> None:
        self.connected = self.watching = False
        self.version, self.content = 1, f"{'good' if good else 'bad'} {number}"

    @rule(good=st.booleans(), number=st.integers(0, 2))
    def new_content(self, good: bool, number: int) -> None:
        self.version += 1
        self.content = f"{'good' if good else 'bad'} {number}"
        if self.watching:
            self._send()

    @precondition(lambda self: self.connected and self.sent and not self.got)
    @rule()
    def response_arrives(self) -> None:
        self.got, self.sent = self.sent, None
        assert self.got is not None
        assert self.session.take(self.got)
        content = self.got.resources[0].value.decode()
        assert self.session.again == (content == self.refused)

    @precondition(lambda self: self.connected and self.got)
    @rule()
    def client_answers(self) -> None:
        got, self.got = self.got, None
        assert got is not None
        content = got.resources[0].value.decode()
        if content.startswith("good"):
            self.in_use, self.refused, self.acked = content, None, got.version
            request = self.session.accept()
            assert request == Request(got.version, got.nonce)
        else:
            self.refused = content
            request = self.session.refuse("bad")
            assert request == Request(self.acked or "", got.nonce, "bad")
        self._ask(request)

    @invariant()
    def who_is_quiet_agrees(self) -> None:
        """The server waits for news only when what it has is in use, were it good."""
        if self.connected and self.watching and self.content.startswith("good"):
            assert self.in_use == self.content

    @invariant()
    def what_is_bad_is_never_in_use(self) -> None:
        assert self.in_use is None or self.in_use.startswith("good")


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
