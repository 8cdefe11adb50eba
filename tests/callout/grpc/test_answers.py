from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jh2._hazmat import Decoder

from callout.grpc import answers
from callout.grpc.call import Code, Status


def decode(block: bytes) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value, _ in Decoder().decode(block, True)]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("plain text, with punctuation ~!@#$^&*()", b"plain text, with punctuation ~!@#$^&*()"),
        ("100%", b"100%25"),
        ("line\r\nbreak\x00\x7f", b"line%0D%0Abreak%00%7F"),
        ("gr\u00fc\u00df", b"gr%C3%BC%C3%9F"),
        ("", b""),
    ],
)
def test_a_message_is_percent_encoded(message: str, expected: bytes) -> None:
    assert answers.percent_encode(message) == expected


@given(st.text(max_size=50))
@settings(max_examples=60)
def test_any_message_survives_the_way_or_is_replaced(message: str) -> None:
    encoded = answers.percent_encode(message)

    assert all(0x20 <= byte < 0x7F for byte in encoded)
    assert unquote(encoded.decode()) == message.encode("utf-8", "replace").decode()


def test_a_long_message_is_cut() -> None:
    assert len(answers.percent_encode("x" * 5000)) == answers.MAX_STATUS_MESSAGE


def test_a_trailers_only_answer_is_head_and_status_in_one() -> None:
    assert decode(answers.trailers_only(Status(Code.UNAVAILABLE, "no 100%"))) == [
        (b":status", b"200"),
        (b"content-type", b"application/grpc"),
        (b"grpc-status", b"14"),
        (b"grpc-message", b"no 100%25"),
    ]
    assert decode(answers.trailers(Status(Code.OK))) == [(b"grpc-status", b"0")]
    assert decode(answers.OK_HEAD) == [
        (b":status", b"200"),
        (b"content-type", b"application/grpc"),
    ]
    assert decode(answers.OK_TRAILERS) == [(b"grpc-status", b"0")]


def test_blocks_need_no_decoder_state() -> None:
    # Decoded twice by one decoder: a block that had put something into its table would still
    # decode, but a third peer that never saw the first could not.
    decoder = Decoder()
    first = decoder.decode(answers.UNKNOWN_ENCODING.head, True)

    assert decoder.decode(answers.UNKNOWN_ENCODING.head, True) == first
    assert (b"grpc-accept-encoding", b"identity,gzip", False) in first


@pytest.mark.parametrize(
    ("refusal", "status"),
    [(answers.NOT_GRPC, b"415"), (answers.NOT_POST, b"405")],
)
def test_what_is_no_grpc_gets_an_http_status_and_a_text(
    refusal: answers.Refusal, status: bytes
) -> None:
    fields = dict(decode(refusal.head))

    assert fields[b":status"] == status
    assert fields[b"content-type"] == b"text/plain"
    assert int(fields[b"content-length"]) == len(refusal.body) > 0
