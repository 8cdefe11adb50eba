"""The checks that the documentation shows: whole decisions, of the service that answers Envoy."""

import json
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import yaml
from envoy.service.auth.v3 import external_auth_pb2

from callout.config.problems import Rejected
from callout.config.snapshot import Snapshot
from callout.grpc.call import Call
from callout.http.path import CanonicalPath, canonical
from callout.testing import tools
from callout.testing.requests import check_request
from extauthz.check import CheckInput
from extauthz.envoy import read
from extauthz.input import InputBuilder
from extauthz.service import AuthorizationService
from tests.docs import pages
from tests.docs.conftest import LoadFiles
from tests.docs.pages import Block
from tests.extauthz.tokens import claims, token
from tests.extauthz.world import NoKeys, Recorder, key_set

AUDIENCE: Final = "bakery"
"""Of the tokens on the page."""
ASKED: Final = {
    "host", "path", "method", "headers", "token", "principal", "route", "sends",
}  # fmt: skip
EXPECTED: Final = {
    "gives", "upstream", "removed", "query", "query_removed", "client", "body", "metadata",
}  # fmt: skip

CHECKS = pages.of_kind("checks")
DOCUMENTS = pages.of_kind("document")
ENVOYS = pages.of_kind("envoy")


def test_there_are_as_many_as_were_counted() -> None:
    assert {each.page for each in (*CHECKS, *DOCUMENTS, *ENVOYS)} == {"docs/authorization.md"}
    assert (len(CHECKS), len(DOCUMENTS), len(ENVOYS)) == (10, 1, 1)


@pytest.mark.parametrize("block", CHECKS, ids=lambda block: block.place)
def test_every_check_ends_as_it_is_shown(block: Block, load_files: LoadFiles) -> None:
    loaded = load_files(pages.files(block.page))
    assert not isinstance(loaded, Rejected)
    rows = yaml.safe_load(block.text)
    assert len(rows) >= 2
    assert {row["gives"] == "allowed" for row in rows} == {True, False}
    for row in rows:
        assert row.keys() <= ASKED | EXPECTED
        answer = _answer(loaded.snapshot, row)
        assert _told(answer, row) == {name: row[name] for name in row if name in EXPECTED}, row


def _answer(snapshot: Snapshot, row: Mapping[str, Any]) -> Any:
    headers = dict(row.get("headers", {}))
    now = time.time()
    if "token" in row:
        times = {"iat": int(now) - 60, "exp": int(now) + 3600}
        payload = claims(aud=AUDIENCE, **times, **row["token"])
        headers["authorization"] = f"Bearer {token(payload)}"
    request = check_request(
        row.get("method", "GET"),
        row["path"],
        row["host"],
        headers,
        body=row.get("sends", ""),
        context_extensions={"policy": row["route"]} if "route" in row else None,
    )
    request.attributes.source.principal = row.get("principal", "")
    service = AuthorizationService(lambda: snapshot, Recorder(), NoKeys(key_set("ec")))
    reply = service.check(request.SerializeToString(), Call((), None, "test"))
    assert isinstance(reply, bytes)
    return external_auth_pb2.CheckResponse.FromString(reply)


def _told(answer: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """What the answer says of all that the row names."""
    allowed = answer.status.code == 0
    assert answer.WhichOneof("http_response") == ("ok_response" if allowed else "denied_response")
    ok, denied = answer.ok_response, answer.denied_response
    to_client = ok.response_headers_to_add if allowed else denied.headers
    metadata = dict(answer.dynamic_metadata)
    found = {
        "gives": "allowed" if allowed else denied.status.code,
        "upstream": _named(ok.headers, row.get("upstream", {})),
        "removed": [each for each in row.get("removed", ()) if each in ok.headers_to_remove],
        "query": {each.key: each.value for each in ok.query_parameters_to_set},
        "query_removed": list(ok.query_parameters_to_remove),
        "client": _named(to_client, row.get("client", {})),
        "body": denied.body,
        "metadata": {name: metadata.get(name) for name in row.get("metadata", {})},
    }
    return {name: value for name, value in found.items() if name in row}


def _named(options: Any, wanted: Mapping[str, str]) -> dict[str, str]:
    found = {each.header.key: each.header.value for each in options}
    return {name: found[name] for name in wanted if name in found}


@pytest.mark.parametrize("block", DOCUMENTS, ids=lambda block: block.place)
def test_the_input_is_as_it_is_shown(block: Block) -> None:
    method, _, url = block.name.partition(" ")
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}"
    request = check_request(method, path, parts.netloc, {"accept-language": "de"})
    check = read(request.SerializeToString())
    assert isinstance(check, CheckInput)
    where = canonical(check.path, check.method)
    assert isinstance(where, CanonicalPath)

    assert InputBuilder().build(check, where, None) == json.loads(block.text)


@pytest.mark.parametrize("block", ENVOYS, ids=lambda block: block.place)
def test_envoy_takes_the_configuration_that_is_shown(block: Block, tmp_path: Path) -> None:
    config = tmp_path / block.name
    config.write_text(block.text)
    command: list[str | Path] = [
        tools.require("envoy"),
        "--mode",
        "validate",
        "-l",
        "error",
        "-c",
        config,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    for expected in ("failure_mode_allow: false", "transport_api_version: V3"):
        assert expected in block.text
