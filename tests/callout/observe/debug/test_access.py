import os
from pathlib import Path

import pytest

from callout.observe.debug.access import Asker, BadToken, admit, read_token

TOKEN = "a-token-of-enough-length"
HERE = Asker("127.0.0.1", "127.0.0.1:9001", "", "")


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    return path


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("127.0.0.1", "127.0.0.1:9001"),
        ("127.8.9.1", "localhost:9001"),
        ("::1", "[::1]:9001"),
        ("::ffff:127.0.0.1", "LOCALHOST"),
        ("::1", "::1"),
        (None, "anything at all"),
    ],
)
def test_without_a_token_this_machine_may(peer: str | None, host: str) -> None:
    assert admit(HERE._replace(peer=peer, host=host), None) is None


@pytest.mark.parametrize(
    "peer",
    ["192.0.2.1", "10.0.0.1", "fe80::1%eth0", "::ffff:192.0.2.1", "", "localhost", "0.0.0.0"],
)
def test_without_a_token_nobody_else_may(peer: str) -> None:
    forbidden = admit(HERE._replace(peer=peer), None)
    assert forbidden is not None
    assert forbidden.status == 403


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:9001",
        "",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "localhost:80@evil.example",
        "127.0.0.1%25.evil.example",
        "[::1].evil.example",
        "localhost:",
        "localhost:9001:9001",
        "[::1",
    ],
)
def test_a_name_that_was_pointed_to_us_is_refused(host: str) -> None:
    """DNS rebinding: a page's own name, resolved to 127.0.0.1."""
    forbidden = admit(HERE._replace(host=host), None)
    assert forbidden is not None
    assert forbidden.status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_that_loads_us_in_a_browser_is_refused(site: str) -> None:
    assert admit(HERE._replace(fetch_site=site), None) is not None
    assert admit(HERE._replace(fetch_site="none"), None) is None


def test_with_a_token_it_opens_from_everywhere_and_nothing_else_does(token_file: Path) -> None:
    far = Asker("192.0.2.1", "gatewright.example", f"Bearer {TOKEN}", "")
    assert admit(far, token_file) is None
    assert admit(far._replace(authorization=f"bearer  {TOKEN} "), token_file) is None
    for text in ("", TOKEN, f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"):
        for asker in (far, HERE, HERE._replace(peer=None)):
            forbidden = admit(asker._replace(authorization=text), token_file)
            assert forbidden is not None, text
            assert forbidden.status == 401
    assert admit(far._replace(authorization="Bearer \udcff\u00e9"), token_file) is not None


def test_a_new_token_counts_at_once_and_one_that_cannot_be_read_opens_nothing(
    token_file: Path,
) -> None:
    far = Asker("192.0.2.1", "x", f"Bearer {TOKEN}", "")
    token_file.write_text("another-token-of-enough-length")
    forbidden = admit(far, token_file)
    assert forbidden is not None
    assert forbidden.status == 401
    for break_ in (lambda: token_file.write_text(""), token_file.unlink):
        break_()
        forbidden = admit(far._replace(authorization="Bearer "), token_file)
        assert forbidden is not None
        assert forbidden.status == 503


@pytest.mark.parametrize(
    "content", [b"", b"short", b"x" * 5000, b"with\nlines-in-between-them", b"\xff" * 20]
)
def test_what_is_no_token_is_not_taken_for_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(BadToken, match="expected 16 to 4096"):
        read_token(path)


def test_a_pipe_in_the_place_of_the_token_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "token"
    os.mkfifo(pipe)
    forbidden = admit(HERE._replace(authorization="Bearer x"), pipe)
    assert forbidden is not None
    assert forbidden.status == 503
