"""Heads: a multimap of bytes that never changes, and says no value to a log."""

from callout.http.head import Headers, Peer, RequestHead

FIELDS = [(b"accept", b"a"), (b"cookie", b"x=1"), (b"accept", b"b"), (b"cookie", b"y=2")]


def test_order_and_repeated_fields_are_kept() -> None:
    assert list(Headers(FIELDS)) == FIELDS
    assert len(Headers(FIELDS)) == 4


def test_a_name_has_all_its_values_in_order() -> None:
    headers = Headers(FIELDS)

    assert headers.all(b"accept") == (b"a", b"b")
    assert headers.get(b"accept") == b"a"
    assert b"accept" in headers
    assert b"host" not in headers
    assert headers.all(b"host") == ()
    assert headers.get(b"host") is None
    assert headers.joined(b"host") is None


def test_values_are_joined_by_commas_and_cookies_by_semicolons() -> None:
    assert Headers(FIELDS).joined(b"accept") == b"a, b"
    assert Headers(FIELDS).joined(b"cookie") == b"x=1; y=2"


def test_any_byte_survives() -> None:
    value = bytes(range(1, 256))

    assert Headers([(b"x", value)]).get(b"x") == value


def test_equal_fields_are_equal_headers() -> None:
    assert Headers(FIELDS) == Headers(iter(FIELDS))
    assert hash(Headers(FIELDS)) == hash(Headers(FIELDS))
    assert Headers(FIELDS) != Headers(FIELDS[::-1])


def test_the_representation_shows_no_value() -> None:
    head = RequestHead(
        b"GET", b"https", b"a.example", b"/", b"HTTP/2", Headers([(b"cookie", b"secret")])
    )

    assert "secret" not in repr(head)
    assert "cookie" in repr(head)


def test_nothing_is_known_of_a_peer_by_default() -> None:
    assert Peer().metadata == {}
    assert Peer().source_address == b""
