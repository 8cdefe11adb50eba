"""`gatewright up` as a new user tries it."""

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

from callout.testing import tools
from callout.testing.redis import RedisServer
from tests.end_to_end.conftest import Up, children, until
from tests.end_to_end.trials import ends


def test_the_commands_end_as_it_says(start_up: Callable[..., Up]) -> None:
    tools.require("curl")
    up = start_up()
    assert [each["name"] for each in up.ready["try"]] == [
        "allowed",
        "denied",
        "attacked",
        "limited",
    ]
    for each in up.ready["try"]:
        assert ends(each["command"], str(each["status"])), each


def test_each_decision_is_a_line_that_says_who_what_policy_why_and_how_long(
    start_up: Callable[..., Up],
) -> None:
    up = start_up()
    up.request("/orders", token="alice")
    allowed = up.decision(face="authz")
    assert allowed["verdict"] == "allow"
    assert allowed["who"] == "alice"
    assert allowed["what"] == "GET shop.example/orders"
    assert allowed["policy"] == "shop"
    assert allowed["reason"] == "rego"
    assert 0 < allowed["seconds"] < 1
    counted = up.decision(face="limit")
    assert (counted["verdict"], counted["policy"]) == ("allow", "shop")

    up.request("/admin/prices", token="alice")
    denied = up.decision(face="authz")
    assert (denied["verdict"], denied["policy"], denied["who"]) == ("deny", "staff", "alice")


def test_no_token_is_ever_printed(start_up: Callable[..., Up]) -> None:
    up = start_up()
    up.request("/orders", token="alice", headers={"x-api-key": "planted-secret"})
    up.request(
        "/orders?access_token=planted-secret",
        headers={"authorization": "Bearer planted-secret.x.y"},
    )
    up.decision(face="authz", verdict="deny")
    said = "\n".join([*up.errors, up.admin("/metrics")[1], up.admin("/config")[1]])
    assert "planted-secret" not in said


def test_ctrl_c_stops_all_of_it_cleanly(start_up: Callable[..., Up]) -> None:
    up = start_up()
    family = children(up.process.pid)
    assert any("gatewright.worker" in command for _, command in family)
    assert any("envoy" in command for _, command in family)

    assert up.stop() == 0

    assert [pid for pid, _ in family if Path(f"/proc/{pid}").exists()] == []
    host, _, port = up.address.rpartition(":")
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0
    assert up.errors == []


def test_nothing_is_left_when_it_is_killed(start_up: Callable[..., Up]) -> None:
    up = start_up()
    family = children(up.process.pid)
    up.process.kill()
    up.process.wait()
    until(lambda: not [pid for pid, _ in family if Path(f"/proc/{pid}").exists()])


def test_a_users_own_bundle_and_service_take_the_places_of_the_samples(
    start_up: Callable[..., Up], own_bundle: Path, echo_upstream
) -> None:
    (own_bundle / "rego/shop.json").write_text('{"public": ["mine"], "departments": {}}')
    up = start_up("--bundle", str(own_bundle), "--upstream", echo_upstream.url)
    assert up.ready["try"] == []
    assert up.status("/products") == 403
    answer = up.request("/mine")
    assert answer.status == 200
    assert answer.seen["path"] == "/mine"


def test_envoy_gives_each_request_an_id_where_retries_are_known_by_it(
    start_up: Callable[..., Up], private_redis: RedisServer
) -> None:
    environ = {"GATEWRIGHT_LIMITS__RETRIES__WITHIN": "300"}
    up = start_up("--redis", private_redis.url, environ=environ)
    # A client's own is replaced: else it would pass without being counted.
    for _ in range(3):
        up.request("/orders", token="alice", headers={"x-request-id": "the-same"})
        assert up.decision(face="limit")["verdict"] == "allow"
    with private_redis.client() as redis:
        receipts = {key.rpartition(b"}")[2] for key in redis.scan_iter("rl:r:*")}
    assert len(receipts) == 3


def test_a_bad_bundle_is_told_with_its_place_and_nothing_starts(own_bundle: Path) -> None:
    (own_bundle / "shop.yaml").write_text(
        "apiVersion: bundle/v1\nkind: Policy\nname: shop\nlimit: []\n"
    )
    done = subprocess.run(
        ["gatewright", "up", "--port", "0", "--bundle", str(own_bundle)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PATH": f"{Path(os.sys.executable).parent}:{os.environ['PATH']}"},
    )
    assert done.returncode == 1
    assert "shop.yaml:4:1: limit:" in done.stderr
    assert "did you mean `limits`?" in done.stderr
