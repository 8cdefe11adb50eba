"""The same bundles, given to a real OPA and to us: both activate the same, or refuse the same."""

import io
import json
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from callout.testing import tools
from tests.extauthz.opa.pair import Pair, source
from tests.extauthz.opa.service import ManagementService, manifest, tarball

POLICY = """package envoy.authz

default allow := false

allow := {"allowed": true, "headers": {
    "x-revision": data.system.bundles.authz.manifest.revision,
    "x-team": data.teams[input.attributes.request.http.path],
}}
"""
"""Shows what is active: a revision of a bundle, and a value of the data."""


def policy(revision: str, text: str = POLICY) -> bytes:
    return tarball({".manifest": manifest(revision, "envoy"), "envoy/policy.rego": text})


def teams(revision: str, **paths: str) -> bytes:
    data = json.dumps({f"/{path}": team for path, team in paths.items()})
    return tarball({".manifest": manifest(revision, "teams"), "teams/data.json": data})


def shown(revision: str, team: str) -> dict[str, Any]:
    return {"allowed": True, "headers": {"x-revision": revision, "x-team": team}}


@pytest.fixture
def service() -> Iterator[ManagementService]:
    made = ManagementService()
    yield made
    made.close()


@pytest.fixture
def start(tmp_path: Path, service: ManagementService) -> Iterator[Callable[..., Pair]]:
    with ExitStack() as held:

        def started(bundles: Mapping[str, Mapping[str, Any]], **more: Any) -> Pair:
            pair = Pair(tmp_path, service, bundles, **more)
            held.callback(pair.close)
            return pair

        yield started


AUTHZ, TEAMS = "bundles/authz.tar.gz", "bundles/teams.tar.gz"
TWO = {"authz": source("authz"), "teams": source("teams")}


def test_both_activate_the_same_bundles_and_decide_the_same(
    start: Callable[..., Pair], service: ManagementService
) -> None:
    service.publish(AUTHZ, policy("r1"), '"p1"')
    service.publish(TEAMS, teams("t1", a="red"), '"t1"')
    pair = start(TWO)

    pair.until_active("authz", "r1")
    pair.until_active("teams", "t1")
    assert pair.its_answer("/a") == pair.our_answer("/a") == shown("r1", "red")
    assert pair.its_answer("/b") is pair.our_answer("/b") is False

    service.publish(TEAMS, teams("t2", a="blue", b="green"), '"t2"')
    pair.until_active("teams", "t2")
    assert pair.its_answer("/a") == pair.our_answer("/a") == shown("r1", "blue")
    assert pair.its_answer("/b") == pair.our_answer("/b") == shown("r1", "green")

    service.publish(AUTHZ, policy("r2"), '"p2"')
    pair.until_active("authz", "r2")
    assert pair.its_answer("/a") == pair.our_answer("/a") == shown("r2", "blue")


def test_what_is_not_new_is_not_sent_again(
    start: Callable[..., Pair], service: ManagementService
) -> None:
    service.publish(AUTHZ, policy("r1"), '"p1"')
    pair = start({"authz": source("authz")})
    pair.until_active("authz", "r1")
    service.asked.clear()

    pair.until(lambda: len(service.asked) >= 6)

    assert {(headers["if-none-match"], status) for _, headers, status, _ in service.asked} == {
        ('"p1"', 304)
    }
    agents = {headers["user-agent"].partition("/")[0] for _, headers, _, _ in service.asked}
    assert len(agents) == 2
    assert {headers["prefer"] for _, headers, _, _ in service.asked} == {"modes=snapshot,delta"}


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both, with good bundles: for tests that leave them so."""
    service = ManagementService()
    service.publish(AUTHZ, policy("r1"), '"p1"')
    service.publish(TEAMS, teams("t1", a="red"), '"t1"')
    pair = Pair(tmp_path_factory.mktemp("standing"), service, TWO)
    try:
        pair.until_active("authz", "r1")
        pair.until_active("teams", "t1")
        yield pair
    finally:
        pair.close()
        service.close()


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"this is no tarball", id="no tarball"),
        pytest.param(policy("bad", "package envoy.authz\n\nallow if {"), id="a syntax error"),
        pytest.param(
            policy("bad", "package envoy.authz\n\nallow if nowhere(1)"), id="a type error"
        ),
        pytest.param(
            tarball({".manifest": manifest("bad", "envoy"), "x.rego": "package other\n\na := 1"}),
            id="Rego beyond its roots",
        ),
        pytest.param(
            tarball({".manifest": manifest("bad", "envoy"), "data.json": '{"other": 1}'}),
            id="data beyond its roots",
        ),
        pytest.param(
            tarball({".manifest": manifest("bad", "envoy", "envoy/authz")}),
            id="roots that overlap",
        ),
        pytest.param(
            tarball({".manifest": manifest("bad", "envoy"), "envoy/data.json": "{"}),
            id="data that is no JSON",
        ),
        pytest.param(
            tarball({".manifest": manifest("bad"), "data.json": "1"}), id="data that is no object"
        ),
        pytest.param(
            tarball({".manifest": manifest("bad", "envoy"), "patch.json": '{"data": [1]}'}),
            id="a patch that is none",
        ),
    ],
)
def test_both_refuse_a_broken_bundle_and_what_was_active_decides(
    standing: Pair, broken: bytes
) -> None:
    pair = standing
    pair.service.publish(AUTHZ, broken, '"p2"')

    pair.until_refused("authz")
    its, ours = pair.both("authz")
    assert its["active_revision"] == ours["active_revision"] == "r1"
    assert len(its.get("errors", [])) == len(ours.get("errors", []))
    assert pair.its_answer("/a") == pair.our_answer("/a") == shown("r1", "red")

    pair.service.publish(AUTHZ, policy("r1"), '"p1"')
    pair.until(lambda: not any("code" in each for each in pair.both("authz")))
    pair.until(lambda: pair.serve.config()["problems"] == [])


def test_both_refuse_a_bundle_whose_roots_another_has(
    start: Callable[..., Pair], service: ManagementService
) -> None:
    service.publish(AUTHZ, policy("r1"), '"p1"')
    service.publish(TEAMS, teams("t1", a="red"), '"t1"')
    pair = start({**TWO, "thief": source("thief")})
    pair.until_active("authz", "r1")
    pair.until_active("teams", "t1")

    body = tarball({".manifest": manifest("x1", "teams/a"), "teams/a/data.json": '{"b": 1}'})
    service.publish("bundles/thief.tar.gz", body, '"x1"')

    def overlapping() -> bool:
        return all("overlapping roots" in each.get("message", "") for each in pair.both("thief"))

    pair.until(overlapping)
    assert pair.both("thief")[0]["code"] == pair.both("thief")[1]["code"] == "bundle_error"
    service.publish("bundles/thief.tar.gz", tarball({".manifest": manifest("x2", "more")}), '"x2"')
    pair.until_active("thief", "x2")
    assert pair.its_answer("/a") == pair.our_answer("/a") == shown("r1", "red")


def test_nothing_is_allowed_before_every_bundle_is_there(
    start: Callable[..., Pair], service: ManagementService
) -> None:
    service.publish(AUTHZ, policy("r1"), '"p1"')
    pair = start({"authz": source("authz"), "teams": source("teams")})
    pair.until_active("authz", "r1")
    pair.until_refused("teams")

    assert {each["http_code"] for each in pair.both("teams")} == {404}
    status, why = pair.serve.admin("/readyz")
    assert (status, "teams" in why) == (503, True)
    assert pair.our_answer("/a") is False

    service.publish(TEAMS, teams("t1", a="red"), '"t1"')
    pair.until_active("teams", "t1")
    assert pair.serve.admin("/readyz")[0] == 200
    assert pair.its_answer("/a") == pair.our_answer("/a") == shown("r1", "red")


def delta(revision: str, *operations: Mapping[str, Any]) -> bytes:
    patch = json.dumps({"data": list(operations)})
    return tarball({".manifest": manifest(revision, "teams"), "patch.json": patch})


def test_both_apply_deltas_to_what_is_active(
    start: Callable[..., Pair], service: ManagementService
) -> None:
    service.publish(AUTHZ, policy("r1"), '"p1"')
    service.publish(TEAMS, teams("t1", a="red", b="green"), '"t1"')
    pair = start(TWO)
    pair.until_active("authz", "r1")
    pair.until_active("teams", "t1")

    changes = delta(
        "t2",
        {"op": "replace", "path": "/teams/~1a", "value": "blue"},
        {"op": "remove", "path": "/teams/~1b"},
        {"op": "upsert", "path": "/teams/~1c", "value": "white"},
    )
    service.publish_delta(TEAMS, changes, '"t2"', base='"t1"')

    pair.until_active("teams", "t2")
    assert {each["type"] for each in pair.both("teams")} == {"delta"}
    assert pair.its_answer("/a") == pair.our_answer("/a") == shown("r1", "blue")
    assert pair.its_answer("/b") is pair.our_answer("/b") is False
    assert pair.its_answer("/c") == pair.our_answer("/c") == shown("r1", "white")

    wrong = delta("t3", {"op": "remove", "path": "/teams/~1nowhere"})
    service.publish_delta(TEAMS, wrong, '"t3"', base='"t2"')
    pair.until_refused("teams")
    assert pair.its_answer("/a") == pair.our_answer("/a") == shown("r1", "blue")


def _signed(folder: Path, revision: str, key: Path, text: str = POLICY) -> bytes:
    """A bundle that OPA itself has signed."""
    folder.mkdir()
    (folder / "envoy").mkdir()
    (folder / "envoy" / "policy.rego").write_text(text)
    (folder / "envoy" / "data.yaml").write_text("list: [1, 2.50, 'é\u2028<&>']\nflag: yes\n")
    (folder / ".manifest").write_text(manifest(revision, "envoy"))
    made = folder.with_suffix(".tar.gz")
    command: list[str | Path] = [tools.require("opa"), "build", "-b", folder, "-o", made]
    command += ["--signing-key", key, "--signing-alg", "ES256"]
    subprocess.run(command, check=True, capture_output=True)
    return made.read_bytes()


def _key(folder: Path, name: str) -> tuple[Path, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    private = folder / f"{name}.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private, public.decode()


def test_both_take_a_signed_bundle_and_no_other(
    start: Callable[..., Pair], service: ManagementService, tmp_path: Path
) -> None:
    key, public = _key(tmp_path, "right")
    other, _ = _key(tmp_path, "wrong")
    always = POLICY.replace("data.teams[input.attributes.request.http.path]", '"red"')
    good = _signed(tmp_path / "good", "r1", key, always)
    service.publish(AUTHZ, good, '"p1"')
    pair = start(
        {"authz": source("authz", signing={"keyid": "k"})},
        keys={"k": {"key": public, "algorithm": "ES256"}},
    )
    pair.until_active("authz", "r1")
    assert pair.its_answer() == pair.our_answer() == shown("r1", "red")

    changed = _signed(tmp_path / "changed", "r2", key, always)
    for number, body in enumerate(
        [
            _signed(tmp_path / "other", "r2", other, always),
            policy("r2", always),
            _with_another(changed, "envoy/policy.rego", "package envoy.authz\n\nallow := true\n"),
            _with_another(changed, "envoy/more.rego", "package envoy.authz\n\nmore := true\n"),
        ]
    ):
        service.publish(AUTHZ, body, f'"wrong{number}"')
        pair.until_refused("authz")
        assert pair.its_answer() == pair.our_answer() == shown("r1", "red")
        service.publish(AUTHZ, good, '"p1"')
        pair.until(lambda: not any("code" in each for each in pair.both("authz")))

    service.publish(AUTHZ, changed, '"p3"')
    pair.until_active("authz", "r2")


def _with_another(body: bytes, name: str, text: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        files = {
            each.name.lstrip("/"): reader.read()
            for each in archive
            if (reader := archive.extractfile(each)) is not None
        }
    return tarball({**files, name: text})


def test_both_start_from_disk_when_the_service_is_away(
    start: Callable[..., Pair], service: ManagementService
) -> None:
    service.publish(AUTHZ, policy("r1"), '"p1"')
    service.publish(TEAMS, teams("t1", a="red"), '"t1"')
    pair = start({name: {**each, "persist": True} for name, each in TWO.items()})
    pair.until_active("authz", "r1")
    pair.until_active("teams", "t1")
    pair.close()
    service.answer_with = 503

    pair.start()

    pair.until(lambda: pair.serve.admin("/readyz")[0] == 200)
    pair.until(lambda: pair.its_answer("/a") is not False)
    assert pair.its_answer("/a") == pair.our_answer("/a") == shown("r1", "red")
    kept = pair.folder / "kept-gatewright/bundles/authz/bundle.tar.gz"
    assert kept.read_bytes() == (pair.folder / "kept-opa/bundles/authz/bundle.tar.gz").read_bytes()


def test_both_show_their_token(start: Callable[..., Pair], tmp_path: Path) -> None:
    guarded = ManagementService(token="secret-of-the-service")
    try:
        guarded.publish(AUTHZ, policy("r1"), '"p1"')
        token = tmp_path / "token"
        token.write_text("another\n")
        pair = Pair(
            tmp_path, guarded, {"authz": source("authz")},
            credentials={"bearer": {"token_path": str(token)}},
        )  # fmt: skip
        try:
            pair.until_refused("authz")
            assert {each["http_code"] for each in pair.both("authz")} == {401}
            token.write_text("secret-of-the-service\n")
            pair.until_active("authz", "r1")
            assert "secret-of-the-service" not in pair.serve.log
        finally:
            pair.close()
    finally:
        guarded.close()


def test_both_are_told_of_news_at_once_by_a_service_that_keeps_requests(tmp_path: Path) -> None:
    patient = ManagementService(long_polling=True)
    try:
        patient.publish(AUTHZ, policy("r1"), '"p1"')
        slow = {"min_delay_seconds": 600, "max_delay_seconds": 600}
        polling = {**slow, "long_polling_timeout_seconds": 3}
        pair = Pair(tmp_path, patient, {"authz": {**source("authz"), "polling": polling}})
        try:
            pair.until_active("authz", "r1")
            # Both ask again and again, although they would poll every ten minutes.
            pair.until(lambda: sum(status == 304 for _, _, status, _ in patient.asked) >= 4)
            kept = [took for _, _, status, took in patient.asked if status == 304]
            assert min(kept) > 2.5
            patient.publish(AUTHZ, policy("r2"), '"p2"')
            pair.until_active("authz", "r2")
            assert {each[1]["prefer"] for each in patient.asked} == {"modes=snapshot,delta;wait=3"}
        finally:
            pair.close()
    finally:
        patient.close()
