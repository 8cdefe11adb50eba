"""RFC 7541: our decoder against the `hpack` package, and constant blocks."""

import hpack
import pytest
from hpack.huffman_constants import REQUEST_CODES_LENGTH
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.http2 import hpack as ours
from callout.http2.errors import ConnectionFault, ErrorCode
from callout.http2.hpack import HeaderDecoder, literal_block
from callout.http2.limits import Limits

names = st.sampled_from([b":path", b":method", b"te", b"a", b"x-long-" + b"n" * 40])
fields = st.tuples(names, st.binary(max_size=200), st.booleans())


def decode(block: bytes) -> list[tuple[bytes, bytes]] | None:
    try:
        return HeaderDecoder(Limits()).decode(block)[0]
    except ConnectionFault:
        return None


def reference(block: bytes) -> list[tuple[bytes, bytes]] | None:
    decoder = hpack.Decoder()
    decoder.max_allowed_table_size = 4096
    try:
        return [(bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True)]
    except (hpack.HPACKError, IndexError):
        return None


def test_the_lengths_of_huffman_codes_are_those_of_the_rfc():
    assert list(ours._HUFFMAN_BITS) == list(REQUEST_CODES_LENGTH[:256])


@given(st.lists(st.lists(fields, max_size=6), max_size=6), st.booleans())
@settings(max_examples=60, deadline=None)
def test_blocks_of_another_encoder_decode_to_the_same_lists(lists, huffman):
    encoder, decoder = hpack.Encoder(), HeaderDecoder(Limits())
    for plain in lists:
        block = encoder.encode(
            [
                (hpack.NeverIndexedHeaderTuple if secret else hpack.HeaderTuple)(name, value)
                for name, value, secret in plain
            ],
            huffman=huffman,
        )
        assert decoder.decode(block)[0] == [(name, value) for name, value, _ in plain]


@given(st.lists(fields, max_size=4), st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_blocks_are_accepted_exactly_where_another_decoder_accepts_them(plain, data):
    block = bytearray(hpack.Encoder().encode([(name, value) for name, value, _ in plain]))
    for _ in range(data.draw(st.integers(0, 3))):
        if block:
            at = data.draw(st.integers(0, len(block) - 1))
            block[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    assert decode(bytes(block)) == reference(bytes(block))


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_accepted_exactly_where_another_decoder_accepts_them(block):
    assert decode(block) == reference(block)


INVALID = [
    ("index 0", b"\x80"),
    ("an index beyond the tables", b"\xbe"),
    ("an index far beyond", b"\xff\xff\xff\xff\x0f"),
    ("an integer that never ends", b"\xff" + b"\x80" * 9 + b"\x01"),
    ("an integer cut off", b"\xff"),
    ("a literal without name", b"\x40"),
    ("a literal without value", b"\x40\x01a"),
    ("a value cut off", b"\x40\x01a\x05abc"),
    ("a name cut off", b"\x00\x05a"),
    ("a size update last", b"\x82\x20"),
    ("a size update within", b"\x82\x20\x84"),
    ("a size update that is too large", b"\x3f\xe2\x1f\x82"),
    ("huffman padding of zeros", b"\x00\x01a\x81\x18"),
    ("huffman padding of a byte", b"\x00\x01a\x86\xf2\xb2\x4a\x84\xff\xff"),
    ("a huffman name with padding of zeros", b"\x00\x81\x18\x01a"),
    ("huffman padding of a byte alone", b"\x00\x01a\x81\xff"),
    ("the end-of-string code", b"\x00\x01a\x84\xff\xff\xff\xff"),
]


@pytest.mark.parametrize("block", [row[1] for row in INVALID], ids=[row[0] for row in INVALID])
def test_an_invalid_block_is_a_compression_error(block, capfd):
    with pytest.raises(ConnectionFault) as caught:
        HeaderDecoder(Limits()).decode(block)
    assert (caught.value.code, caught.value.reason) == (ErrorCode.COMPRESSION_ERROR, "hpack")
    # A panic of the codec would be caught as well, but it prints: a log that a peer can fill.
    assert capfd.readouterr() == ("", "")


def test_there_is_a_row_for_every_kind_of_invalid_block():
    assert len(INVALID) == 17


def test_only_blocks_that_leave_the_table_alone_are_reported_as_such():
    decoder = HeaderDecoder(Limits())
    for block, touched in [
        (b"\x82\x84", False),
        (b"\x00\x01a\x01b", False),
        (b"\x10\x01a\x01b", False),
        (b"\x82\x40\x01a\x01b", True),
        (b"\xbe", False),
        (b"\x41\x01b", True),
        (b"\x20\x82", True),
    ]:
        assert decoder.decode(block)[1] is touched


def test_after_a_smaller_table_was_acknowledged_the_next_block_must_begin_with_it():
    limits = Limits(header_table=64)
    for block, valid in [
        (b"\x82", False),
        (b"\x00\x01a\x01b", False),
        (b"", True),
        (b"\x3f\x22\x82", False),
        (b"\x3f\x21\x82", True),
        (b"\x20\x3f\x21\x82", True),
    ]:
        decoder = HeaderDecoder(limits)
        decoder.decode(b"\x82")
        decoder.acknowledged()
        if valid:
            decoder.decode(block)
        else:
            with pytest.raises(ConnectionFault):
                decoder.decode(block)


@given(st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=300)), max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_literal_block_is_read_back_by_every_decoder_and_leaves_no_trace(plain):
    block = literal_block(plain)
    decoder = hpack.Decoder()
    assert [(bytes(n), bytes(v)) for n, v in decoder.decode(block, raw=True)] == plain
    assert len(decoder.header_table.dynamic_entries) == 0
    assert HeaderDecoder(Limits()).decode(block) == (plain, False)


def test_a_literal_block_uses_the_static_table():
    assert literal_block([(b":status", b"200"), (b":method", b"POST")]) == b"\x88\x83"
    assert literal_block([(b":status", b"415")]) == b"\x08\x03415"
    assert literal_block([(b"content-type", b"x")]) == b"\x0f\x10\x01x"
    assert literal_block([(b"grpc-status", b"0")]) == b"\x00\x0bgrpc-status\x010"
