"""`gatewright ratelimit keys --hot`: whom it asks, what it shows, and what it refuses."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from gatewright.cli.main import main

ROW = {"counter": "rl:d:4:edge1s:6:client3:ann@1", "requests": 1600, "share": 0.5}
FOUND = {"seconds": 90.0, "requests": 3200, "counters": [ROW], "no_answer": []}


@contextmanager
def admin(folder: Path, status: int, document: Any) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """An admin port at a Unix socket; gives its address, and what it was asked with which token."""
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("Authorization", "")))
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    path = folder / "admin.sock"
    with socketserver.UnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"unix:{path}", asked
        finally:
            server.shutdown()
            thread.join()


def test_the_page_is_asked_for_with_the_token_of_the_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "token").write_text("0123456789abcdef\n")
    settings = tmp_path / "gatewright.yaml"
    with admin(tmp_path, 200, FOUND) as (address, asked):
        settings.write_text(
            f"listen: {{admin: '{address}'}}\nadmin: {{token_file: {tmp_path}/token}}\n"
        )
        assert main(["ratelimit", "keys", "--hot", "7", "--settings", str(settings)]) == 0
    assert asked == [("/debug/limits/hottest?most=7", "Bearer 0123456789abcdef")]
    first, second = capsys.readouterr().out.splitlines()
    assert first == "about 3,200 requests in 90 s"
    assert second.split() == ["1,600", "50.0%", "rl:d:4:edge1s:6:client3:ann@1"]


def test_json_is_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with admin(tmp_path, 200, FOUND) as (address, _):
        assert main(["ratelimit", "keys", "--hot", "--json", "--admin", address]) == 0
    assert json.loads(capsys.readouterr().out) == FOUND


def test_a_client_writes_nothing_onto_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoiled = {**ROW, "counter": "rl:d:1:a1s:1:b9:\x1b[2J\r\nfake@1"}
    with admin(tmp_path, 200, {**FOUND, "counters": [spoiled]}) as (address, _):
        assert main(["ratelimit", "keys", "--hot", "--admin", address]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert len(out.splitlines()) == 2


def test_workers_that_did_not_answer_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with admin(tmp_path, 200, {**FOUND, "no_answer": ["1"]}) as (address, _):
        assert main(["ratelimit", "keys", "--hot", "--admin", address]) == 0
    assert "; 1 workers did not answer" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "document", "words"),
    [
        (401, {"error": "expected a bearer token"}, "refuses: expected a bearer token"),
        (404, [], "refuses: 404"),
        (200, [], "refuses: 200"),
    ],
)
def test_who_refuses_is_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    status: int,
    document: Any,
    words: str,
) -> None:
    with admin(tmp_path, status, document) as (address, _):
        assert main(["ratelimit", "keys", "--hot", "--admin", address]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--hot", "0"], ["--hot", "101"], ["rl:x", "--hot"], ["--hot", "--reset"], []]
)
def test_it_is_asked_for_alone_and_within_bounds(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(["ratelimit", "keys", *arguments]) == 2
    assert "expected" in capsys.readouterr().err
