"""Forms in parts; where `GO` says so, what Go's mime/multipart gave for the same bytes."""

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extauthz.bodies.media_type import parameters
from extauthz.bodies.multipart import PARTS_MOST, form_values


def loads(content_type: str, content: bytes) -> str:
    return content_type + content.decode("latin-1")


def form(*parts: bytes) -> bytes:
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


def named(head: bytes, content: bytes = b"1") -> bytes:
    return b"Content-Disposition: " + head + b"\r\n\r\n" + content


GO: dict[str, tuple[bytes, dict[str, list[str]]]] = {
    "a part": (form(named(b'form-data; name="a"')), {"a": ["1"]}),
    "two of a name": (
        form(named(b"form-data; name=a"), named(b"form-data; name=a", b"2")),
        {"a": ["1", "2"]},
    ),
    "no parts": (b"--b--", {}),
    "text before the first": (
        b"hello\r\n--c\r\n" + form(named(b"form-data; name=a")),
        {"a": ["1"]},
    ),
    "text after the last": (form(named(b"form-data; name=a")) + b"bye\r\n--b\r\n", {"a": ["1"]}),
    "no line end after the last": (form(named(b"form-data; name=a"))[:-2], {"a": ["1"]}),
    "spaces after a boundary": (
        form(named(b"form-data; name=a")).replace(b"--b\r\n", b"--b \t\r\n"),
        {"a": ["1"]},
    ),
    "an empty part": (b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n--b--", {"a": [""]}),
    "a boundary that is longer": (
        form(named(b"form-data; name=a", b"x\r\n--bc\r\ny")),
        {"a": ["x\r\n--bc\r\ny"]},
    ),
    "a boundary within a line": (
        form(named(b"form-data; name=a", b"x--b\r\ny")),
        {"a": ["x--b\r\ny"]},
    ),
    "no name": (form(named(b"form-data"), b"X: y\r\n\r\n2"), {}),
    "an empty name": (form(named(b'form-data; name=""')), {}),
    "another disposition": (form(named(b"attachment; name=a")), {}),
    "a file": (form(named(b'form-data; name="a"; filename="x;y\\"z"')), {"a": ["1"]}),
    "a file with an extended name": (
        form(named(b"form-data; name=a; filename*=UTF-8''x")),
        {"a": ["1"]},
    ),
    "a name with a quote": (form(named(b'form-data; name="a\\"\\b"')), {'a"\\b': ["1"]}),
    "a name that is not UTF-8": (form(named(b'form-data; name="\xff"')), {"\ufffd": ["1"]}),
    "a folded header": (form(named(b"form-data;\r\n name=a")), {"a": ["1"]}),
    "capitals": (form(b"CONTENT-DISPOSITION: FORM-DATA; NAME=A\r\n\r\n1"), {"A": ["1"]}),
    "a content type": (
        form(b"Content-Type: t/x; q\r\n" + named(b"form-data; name=a")),
        {"a": ["t/x; q1"]},
    ),
    "lines that end with \\n": (
        form(named(b"form-data; name=a", b"x\r\ny")).replace(b"\r\n", b"\n"),
        {"a": ["x\ny"]},
    ),
    "a semicolon at the end": (form(named(b"form-data; name=a ; ")), {"a": ["1"]}),
    "a parameter twice alike": (form(named(b"form-data; name=a; name=a")), {"a": ["1"]}),
}


@pytest.mark.parametrize("name", GO)
def test_a_form_is_read_as_go_does(name: str) -> None:
    body, expected = GO[name]

    assert form_values(body, "b", loads) == expected


REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "no boundary": b"hello\r\n",
    "another boundary": form(named(b"form-data; name=a")).replace(b"--b", b"--c"),
    "no end": form(named(b"form-data; name=a"))[:-9],
    "an end with more": form(named(b"form-data; name=a"))[:-2] + b"x\r\n",
    "a part that ends in its head": b"--b\r\nContent-Disposition: form-data; name=a",
    "a head that begins with a space": form(b" X: y\r\n\r\n1"),
    "a head without a colon": form(b"X\r\n\r\n1"),
    "a head without a name": form(b": y\r\n\r\n1"),
    "a head with a space before the colon": form(b"Content-Disposition : form-data\r\n\r\n1"),
    "a control character": form(b"X: \x01\r\n\r\n1"),
    "two dispositions": form(
        b"Content-Disposition: form-data; name=b\r\n" + named(b"form-data; name=a")
    ),
    "two content types": form(
        b"Content-Type: a/b\r\nContent-Type: c/d\r\n" + named(b"form-data; name=a")
    ),
    "two names": form(named(b"form-data; name=a; name=b")),
    "an extended name": form(named(b"form-data; name*=UTF-8''a")),
    "a continued name": form(named(b"form-data; name*0=a")),
    "a name without its end": form(named(b'form-data; name="a')),
    "quoted-printable": form(
        b"Content-Transfer-Encoding: Quoted-Printable\r\n" + named(b"form-data; name=a")
    ),
    "lines that end differently": form(named(b"form-data; name=a")).replace(
        b"1\r\n--b", b"1\r\n--b\n", 1
    ),
    "too many parts": form(*[named(b"form-data; name=a")] * (PARTS_MOST + 1)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_such_form_or_two_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        form_values(REFUSED[name], "b", loads)


def test_an_empty_boundary_is_refused() -> None:
    with pytest.raises(ValueError):
        form_values(b"--\r\n\r\n\r\n----", "", loads)


def test_as_many_parts_as_are_allowed() -> None:
    body = form(*[named(b"form-data; name=a")] * PARTS_MOST)

    assert len(form_values(body, "b", loads)["a"]) == PARTS_MOST


MEDIA_TYPES = {
    "multipart/form-data; boundary=b": ("multipart/form-data", "b"),
    " Multipart/Form-Data ; Boundary = b ; charset=x": ("multipart/form-data", "b"),
    'multipart/form-data;boundary="b;c"': ("multipart/form-data", "b;c"),
    'multipart/form-data; boundary="a\\"\\\\\\b"': ("multipart/form-data", 'a"\\\\b'),
    'multipart/form-data; boundary=""': ("multipart/form-data", ""),
    "multipart/form-data; charset=x": ("multipart/form-data", None),
    "multipart/form-data;": ("multipart/form-data", None),
    "multipart/form-data": ("multipart/form-data", None),
}


@pytest.mark.parametrize("value", MEDIA_TYPES)
def test_a_media_type_is_taken_apart_as_go_does(value: str) -> None:
    assert parameters(value, "boundary") == MEDIA_TYPES[value]


BAD_MEDIA_TYPES = [
    "",
    "; boundary=b",
    "multipart/form-data, text/plain; boundary=b",
    "multipart/form data; boundary=b",
    "multipart/; boundary=b",
    "multipart/form-data; boundary",
    "multipart/form-data; boundary=",
    "multipart/form-data;; boundary=b",
    'multipart/form-data; boundary="b',
    "multipart/form-data; boundary=b; boundary=c",
    "multipart/form-data; boundary*=UTF-8''b",
]


@pytest.mark.parametrize("value", BAD_MEDIA_TYPES)
def test_a_media_type_that_go_refuses_is_refused(value: str) -> None:
    with pytest.raises(ValueError):
        parameters(value, "boundary")


def test_the_tables_have_all_their_rows() -> None:
    assert (len(GO), len(REFUSED)) == (23, 20)
    assert (len(MEDIA_TYPES), len(BAD_MEDIA_TYPES)) == (8, 11)


MEGABYTE = 1 << 20
HOSTILE = {
    "boundaries that are none": b"--b\r\n\r\n" + b"\r\n--bc" * (MEGABYTE // 6),
    "lines before the first": b"\n" * MEGABYTE,
    "boundaries before the first": b"--bc\r\n" * (MEGABYTE // 6),
    "a folded header": b"--b\r\nX: y" + b"\r\n " * (MEGABYTE // 3),
    "headers": b"--b\r\n" + b"a:b\r\n" * (MEGABYTE // 5),
    "a quote without an end": form(named(b'form-data; name="' + b"\\\\" * (MEGABYTE // 2))),
    "parameters": form(named(b"form-data" + b"; a=b" * (MEGABYTE // 5))),
    "semicolons": form(named(b"form-data; name=a" + b" ;" * (MEGABYTE // 2))),
    "spaces": form(named(b"form-data; name=a" + b" " * MEGABYTE + b"x")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_forms_take_time_that_grows_with_their_length_only(name: str) -> None:
    """A megabyte takes less than a second of processor time; squared it would take hours."""
    before = time.process_time()
    with contextlib.suppress(ValueError):
        form_values(HOSTILE[name], "b", loads)
    assert time.process_time() - before < 10


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                b"--b",
                b"\r\n",
                b"\n",
                b"--",
                b"a:b",
                b"content-disposition: form-data; name=a",
                b" ",
                b"x",
                b"\xff",
                b'"',
            ]
        ),
        max_size=12,
    ).map(b"".join)
)
def test_any_bytes_are_a_form_or_refused(body: bytes) -> None:
    try:
        found = form_values(body, "b", loads)
    except ValueError:
        return
    assert all(found.values())
