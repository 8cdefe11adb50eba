"""Protobuf in and out."""

import pytest
from envoy.service.ext_proc.v3 import external_processor_pb2

from callout.ext_proc.envoy import MALFORMED, MOST_HEADERS, read, write
from callout.ext_proc.filter import Block, Edits
from callout.ext_proc.messages import (
    BodyCame,
    BodyMode,
    BodyReply,
    Configured,
    Final,
    HeadReply,
    Override,
    Piece,
    RequestCame,
    ResponseCame,
    TrailersCame,
    TrailersReply,
)
from callout.http.head import Headers, Peer, RequestHead, ResponseHead

Request = external_processor_pb2.ProcessingRequest
Response = external_processor_pb2.ProcessingResponse


def _headers(*fields: tuple[str, bytes]) -> dict[str, object]:
    return {"headers": [{"key": key, "raw_value": value} for key, value in fields]}


def _answer(message: object) -> "external_processor_pb2.ProcessingResponse":
    return Response.FromString(write(message))  # type: ignore[arg-type]


def test_a_request_is_read_with_all_that_the_gateway_says_of_it() -> None:
    message = Request(
        request_headers={
            "headers": _headers(
                (":method", b"POST"),
                (":scheme", b"https"),
                (":authority", b"a.example:8443"),
                (":path", b"/a?b"),
                ("cookie", b"a=1"),
                ("x", b"\xff\x00"),
                ("cookie", b"b=2"),
            ),
            "end_of_stream": True,
        },
        protocol_config={"request_body_mode": 4, "response_body_mode": 1},
    )
    values = message.attributes["envoy.filters.http.ext_proc"]
    values.update(
        {
            "source.address": "198.51.100.7:40312",
            "source.port": 40312,
            "destination.address": "[::1]:443",
            "request.protocol": "HTTP/2",
            "request.id": "some-id",
            "xds.route_name": "shop",
        }
    )
    message.metadata_context.filter_metadata["envoy.filters.http.ext_authz"].update(
        {"policy": "shop", "n": 1, "list": [True, None, {"deep": "er"}]}
    )

    event = read(message.SerializeToString())

    metadata = {
        "envoy.filters.http.ext_authz": {
            "policy": "shop",
            "n": 1.0,
            "list": [True, None, {"deep": "er"}],
        }
    }
    headers = Headers([(b"cookie", b"a=1"), (b"x", b"\xff\x00"), (b"cookie", b"b=2")])
    assert event == RequestCame(
        RequestHead(b"POST", b"https", b"a.example:8443", b"/a?b", b"HTTP/2", headers),
        Peer(b"198.51.100.7", 40312, b"::1", 443, b"some-id", b"shop", metadata),
        True,
        Configured(BodyMode.FULL_DUPLEX, BodyMode.STREAMED),
    )


def test_nothing_is_made_up_of_what_the_gateway_does_not_say() -> None:
    event = read(
        Request(request_headers={"headers": _headers((":method", b"GET"))}).SerializeToString()
    )

    assert event == RequestCame(
        RequestHead(b"GET", b"", b"", b"", b"", Headers()), Peer(), False, None
    )


def test_a_client_at_a_unix_socket_has_a_path_for_an_address() -> None:
    message = Request(request_headers={})
    message.attributes["envoy.filters.http.ext_proc"].update({"source.address": "/run/x.sock"})

    event = read(message.SerializeToString())

    assert isinstance(event, RequestCame)
    assert event.peer == Peer(b"/run/x.sock")


def test_values_are_read_as_text_where_an_old_gateway_sends_text() -> None:
    message = Request(
        request_headers={"headers": {"headers": [{"key": "a", "value": "\u00fc"}]}}
    ).SerializeToString()

    event = read(message)

    assert isinstance(event, RequestCame)
    assert list(event.head.headers) == [(b"a", "\u00fc".encode())]


def test_a_mode_of_a_later_envoy_is_no_known_mode() -> None:
    message = Request(request_headers={}, protocol_config={"request_body_mode": 77})

    event = read(message.SerializeToString())

    assert isinstance(event, RequestCame)
    assert event.configured is None


def test_the_other_messages_are_read() -> None:
    head = _headers((":status", b"204"), ("a", b"b"))
    trailers = {"trailers": _headers(("a", b"b"))}
    for message, event in (
        (
            Request(response_headers={"headers": head, "end_of_stream": True}),
            ResponseCame(ResponseHead(204, Headers([(b"a", b"b")])), True, None),
        ),
        (Request(request_body={"body": b"x"}), BodyCame(True, b"x", False)),
        (Request(response_body={"end_of_stream": True}), BodyCame(False, b"", True)),
        (
            Request(request_body={"end_of_stream_without_message": True}),
            BodyCame(True, b"", True),
        ),
        (Request(request_trailers=trailers), TrailersCame(True, Headers([(b"a", b"b")]))),
        (Request(response_trailers=trailers), TrailersCame(False, Headers([(b"a", b"b")]))),
    ):
        assert read(message.SerializeToString()) == event


_MANY = {"headers": [{"key": "a"}] * (MOST_HEADERS + 1)}


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff",
        b"\x12\x05ab",
        Request(response_headers={}).SerializeToString(),
        Request(response_headers={"headers": _headers((":status", b"2xx"))}).SerializeToString(),
        Request(request_headers={"headers": _MANY}).SerializeToString(),
        Request(response_headers={"headers": _MANY}).SerializeToString(),
        Request(request_trailers={"trailers": _MANY}).SerializeToString(),
    ],
)
def test_what_is_no_message_is_refused(message: bytes) -> None:
    assert read(message) is MALFORMED


@pytest.mark.parametrize("request_", [True, False])
def test_answers_name_the_part_that_they_answer(request_: bool) -> None:
    side = "request" if request_ else "response"
    assert _answer(HeadReply(request_)).WhichOneof("response") == f"{side}_headers"
    assert _answer(BodyReply(request_)).WhichOneof("response") == f"{side}_body"
    assert _answer(Piece(request_, b"x", False)).WhichOneof("response") == f"{side}_body"
    assert _answer(TrailersReply(request_)).WhichOneof("response") == f"{side}_trailers"


def test_edits_are_written_as_the_gateway_applies_them() -> None:
    edits = Edits(((b"a", b"\xff"), (b"b", b""), (b"a", b"2")), ((b"c", b"3"),), (b"d",))
    for message, name in (
        (HeadReply(True, edits), "request_headers.response.header_mutation"),
        (BodyReply(False, None, edits), "response_body.response.header_mutation"),
        (TrailersReply(True, edits), "request_trailers.header_mutation"),
    ):
        mutation = _answer(message)
        for part in name.split("."):
            mutation = getattr(mutation, part)
        put, append = 2, 0
        assert [
            (each.header.key, each.header.raw_value, each.append_action, each.keep_empty_value)
            for each in mutation.set_headers
        ] == [
            ("a", b"\xff", put, True),
            ("b", b"", put, True),
            ("a", b"2", append, True),
            ("c", b"3", append, True),
        ]
        assert list(mutation.remove_headers) == ["d"]


def test_bodies_are_replaced_emptied_or_left() -> None:
    def mutation(body: bytes | None) -> str | None:
        answer = _answer(BodyReply(True, body)).request_body.response.body_mutation
        kind: str | None = answer.WhichOneof("mutation")
        return kind

    assert mutation(None) is None
    assert mutation(b"") == "clear_body"
    assert mutation(b"x") == "body"
    answer = _answer(Piece(False, b"x", True)).response_body.response.body_mutation
    assert answer.streamed_response.body == b"x"
    assert answer.streamed_response.end_of_stream


def test_an_override_says_every_mode() -> None:
    override = Override(BodyMode.STREAMED, BodyMode.BUFFERED, True, False, False)
    mode = _answer(HeadReply(True, override=override)).mode_override
    assert (mode.request_header_mode, mode.response_header_mode) == (1, 2)
    assert (mode.request_body_mode, mode.response_body_mode) == (1, 2)
    assert (mode.request_trailer_mode, mode.response_trailer_mode) == (1, 2)
    with_edits = _answer(HeadReply(True, Edits(((b"a", b"b"),)), override))
    assert with_edits.mode_override == mode
    assert not _answer(HeadReply(True)).HasField("mode_override")


def test_the_end_is_a_response_with_its_details() -> None:
    block = Block(
        403, "waf 942100", ((b"content-type", b"text/html"),), b"<p>", 7, {"waf": {"score": 5}}
    )
    answer = _answer(Final(block))
    final = answer.immediate_response
    assert (final.status.code, final.details, final.body) == (403, "waf 942100", b"<p>")
    assert final.headers.set_headers[0].header.raw_value == b"text/html"
    assert final.grpc_status.status == 7
    assert answer.dynamic_metadata["waf"]["score"] == 5
    assert not _answer(Final(Block(403, "x"))).immediate_response.HasField("grpc_status")


def test_findings_go_with_every_answer() -> None:
    findings = {"waf": {"score": 5, "rules": [942100], "quiet": False}}
    for message in (
        HeadReply(True, metadata=findings),
        BodyReply(True, metadata=findings),
        Piece(True, b"", False, findings),
        TrailersReply(True, metadata=findings),
    ):
        answer = _answer(message)
        assert answer.dynamic_metadata["waf"]["score"] == 5
        assert list(answer.dynamic_metadata["waf"]["rules"]) == [942100]
