"""Expressions of RE2 made at random, and values that may hold what they seek."""

from hypothesis import strategies as st

_BYTES = [b"a", b"b", b"A", b"B", b"_", b"0", b" ", b"\t", b"\n", b"\v", b"\r", b"\0", b"-", b"/"]
_BYTES += [b"\xe0", b"\xc0", b"\xa0", b"\xff", b"k", b"s", b"."]
VALUES = st.lists(st.sampled_from(_BYTES), max_size=8).map(b"".join)

_ESCAPES = [rb"\s", rb"\S", rb"\d", rb"\D", rb"\w", rb"\W", rb"\v", rb"\x0b", rb"\xe0", rb"\t"]
_ESCAPES += [rb"\x00", rb"\.", rb"\-"]
_ITEMS = [b"a", b"b-k", b"A-Z", b"[:space:]", b"[:^space:]", b"[:upper:]", b"[:punct:]", b"\xe0"]
_CLASS_ITEMS = st.sampled_from([*_ITEMS, *_ESCAPES])
_CLASSES = st.builds(
    lambda sign, items: b"[" + sign + b"".join(items) + b"]",
    st.sampled_from([b"", b"^"]),
    st.lists(_CLASS_ITEMS, min_size=1, max_size=3),
)
_LITERALS = st.sampled_from([b"a", b"b", b"A", b"k", b"S", b"\xe0", b" ", b"_", b"0", b"\n"])
_ATOMS = st.one_of(
    _LITERALS,
    _LITERALS,
    _CLASSES,
    st.sampled_from([b".", *_ESCAPES, b"^", b"$", rb"\b", rb"\B", rb"\A", rb"\z"]),
)


def _grown(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    group = st.builds(
        lambda opening, body: b"(" + opening + body + b")",
        st.sampled_from([b"", b"?:", b"?i:", b"?-i:", b"?s-i:", b"?-s:", b"?m:", b"?-m:"]),
        inner,
    )
    repeated = st.builds(
        lambda body, sign: b"(?:" + body + b")" + sign,
        inner,
        st.sampled_from([b"*", b"+", b"?", b"{2}", b"{1,3}", b"{2,}", b"*?", b"+?", b"??"]),
    )
    several = st.lists(inner, min_size=2, max_size=3)
    return st.one_of(group, repeated, several.map(b"".join), several.map(b"|".join))


EXPRESSIONS = st.builds(
    lambda flags, body: flags + body,
    st.sampled_from([b"", b"", b"(?i)", b"(?s)", b"(?m)"]),
    st.recursive(_ATOMS, _grown, max_leaves=8),
)
