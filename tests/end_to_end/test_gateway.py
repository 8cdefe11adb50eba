"""Requests through a real Envoy: who may, how often, and what cannot be talked around."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Up, until


def test_who_may_do_what(shop: Up) -> None:
    assert shop.status("/products") == 200
    assert shop.status("/products", method="POST", body=b"{}") == 403
    assert shop.status("/orders") == 403
    assert shop.status("/orders", token="alice") == 200
    assert shop.status("/orders/alice/17", token="alice") == 200
    assert shop.status("/orders/bob/17", token="alice") == 403
    assert shop.status("/partners/acme/feed", token="acme") == 200
    assert shop.status("/partners/other/feed", token="acme") == 403
    assert shop.status("/admin/prices", token="sam", method="PUT", body=b"{}") == 200
    assert shop.status("/admin/salaries", token="sam") == 403


def test_without_a_credential_the_back_office_asks_for_one(shop: Up) -> None:
    answer = shop.request("/admin/prices")
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "credential",
    [
        pytest.param("Bearer nonsense", id="no-token"),
        pytest.param("Bearer a.b.c", id="garbage"),
        pytest.param(
            "Bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2lkcC5zaG9wLmV4YW1wbGUvIn0.", id="none"
        ),
    ],
)
def test_a_bad_credential_is_no_visitor(shop: Up, credential: str) -> None:
    assert shop.status("/products", headers={"authorization": credential}) == 401


def test_the_upstream_sees_only_the_identity_that_we_vouch_for(shop: Up) -> None:
    forged = {"x-shop-user": "root", "x-shop-role": "staff", "X-Shop-Org": "acme"}
    named = shop.request("/orders", token="alice", headers=forged).seen["headers"]
    assert named["x-shop-user"] == "alice"
    assert named["x-shop-role"] == "customer"
    assert "x-shop-org" not in named

    nobody = shop.request("/products", headers=forged).seen["headers"]
    assert not {"x-shop-user", "x-shop-role", "x-shop-org"} & set(nobody)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("//admin/prices", 401),
        ("/admin//prices", 401),
        ("/%61dmin/prices", 401),
        ("/admin;x=1/prices", 401),
        ("/products/../admin/prices", 400),
        ("/products/%2e%2e/admin/prices", 400),
        ("/products/..;/admin/prices", 400),
        ("/admin%2Fprices", 400),
        ("/admin%5Cprices", 400),
        ("/admin\\prices", 400),
        ("/%zz", 400),
        ("/products%00", 400),
        ("/products/%c0%ae%c0%ae/admin", 400),
    ],
)
def test_a_path_cannot_be_written_around_a_policy(shop: Up, path: str, status: int) -> None:
    assert shop.status(path) == status


def test_a_limit_by_address_refuses_with_what_is_left_and_when(start_up: Callable[..., Up]) -> None:
    up = start_up()
    answers = [up.request("/search?q=tea") for _ in range(7)]
    statuses = [each.status for each in answers]
    # A minute may end in between: five pass in each.
    assert 429 in statuses
    assert statuses.count(200) in (5, 6, 7)
    first = answers[0]
    assert first.headers["x-ratelimit-limit"].startswith("5")
    assert first.headers["x-ratelimit-remaining"] == "4"
    refused = next(each for each in answers if each.status == 429)
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert 1 <= int(refused.headers["x-ratelimit-reset"]) <= 60
    assert up.decision(face="limit", verdict="deny")["reason"] == "over_limit"


def limited(bundle: Path, by: str, rate: str = "2/hour") -> None:
    (bundle / "own.yaml").write_text(
        "apiVersion: bundle/v1\n"
        "kind: Policy\n"
        "name: own\n"
        'on: [{host: "*", path: /orders}]\n'
        f"limits: [{{name: mine, by: [{by}], rate: {rate}}}]\n"
    )


def test_a_limit_by_identity_counts_each_person_and_the_nameless_by_address(
    start_up: Callable[..., Up], own_bundle: Path
) -> None:
    limited(own_bundle, "identity.sub")
    data = json.loads((own_bundle / "rego/shop.json").read_text())
    data["public"].append("orders")
    (own_bundle / "rego/shop.json").write_text(json.dumps(data))
    up = start_up("--bundle", str(own_bundle))
    assert [up.status("/orders", token="alice") for _ in range(3)] == [200, 200, 429]
    # Somebody else, from the same address, with their own count.
    assert [up.status("/orders", token="sam") for _ in range(3)] == [200, 200, 429]
    assert [up.status("/orders") for _ in range(3)] == [200, 200, 429]


def test_a_reload_takes_effect_and_a_broken_bundle_does_not(
    start_up: Callable[..., Up], own_bundle: Path
) -> None:
    up = start_up("--bundle", str(own_bundle))
    assert up.status("/news") == 403
    data = own_bundle / "rego/shop.json"
    good = data.read_text()

    data.write_text(good.replace('"products"', '"products", "news"'))
    until(lambda: up.status("/news") == 200)

    policy = own_bundle / "shop.yaml"
    whole = policy.read_text()
    policy.write_text(whole.replace("decide:", "decied:"))
    until(lambda: "did you mean `decide`" in up.admin("/config")[1])
    assert up.status("/news") == 200
    assert up.metric('gatewright_config_load_total{result="rejected"}') == 1

    policy.write_text(whole)
    data.write_text(good)
    until(lambda: up.status("/news") == 403)
    assert '"problems": []' in up.admin("/config")[1]


def test_a_policy_changed_to_shadow_lets_pass_and_says_so(
    start_up: Callable[..., Up], own_bundle: Path
) -> None:
    policy = own_bundle / "shop.yaml"
    policy.write_text(policy.read_text().replace("name: shop\n", "name: shop\nmode: shadow\n", 1))
    up = start_up("--bundle", str(own_bundle))
    answer = up.request("/orders", headers={"x-shop-user": "root"})
    assert answer.status == 200
    assert "x-shop-user" not in answer.seen["headers"]
    seen = up.decision(face="authz")
    assert (seen["verdict"], seen["shadow"]) == ("deny", True)


def test_when_nobody_answers_envoy_denies(start_up: Callable[..., Up]) -> None:
    up = start_up()
    worker, _ = sorted(up.workers())
    until(lambda: up.status("/products") == 200)
    os.kill(worker, signal.SIGSTOP)
    try:
        assert up.status("/products") == 503
    finally:
        os.kill(worker, signal.SIGCONT)
    until(lambda: up.status("/products") == 200)


def test_a_killed_worker_costs_only_what_was_in_flight_and_that_fails_closed(
    start_up: Callable[..., Up], own_bundle: Path
) -> None:
    limited(own_bundle, "address", "100000/hour")
    shop = own_bundle / "shop.yaml"
    text = shop.read_text().replace("rate: 10/s", "rate: 100000/s")
    shop.write_text(text.replace("burst: 100", "burst: 100000"))
    up = start_up("--bundle", str(own_bundle))
    first, _ = sorted(up.workers())
    statuses: Counter[tuple[str, int]] = Counter()
    done = threading.Event()

    def load() -> None:
        while not done.is_set():
            statuses["denied", up.status("/orders")] += 1
            statuses["allowed", up.status("/products")] += 1

    threads = [threading.Thread(target=load) for _ in range(4)]
    for each in threads:
        each.start()
    time.sleep(0.5)
    os.kill(first, signal.SIGKILL)
    until(lambda: len(up.workers()) == 2 and first not in up.workers())
    time.sleep(1.5)
    until(lambda: min(statuses["denied", 403], statuses["allowed", 200]) > 20, 30)
    done.set()
    for each in threads:
        each.join(20)

    # Not one denied request got through, and none ended in any way but these.
    assert {status for (kind, status) in statuses if kind == "denied"} <= {403, 503}
    assert {status for (kind, status) in statuses if kind == "allowed"} <= {200, 503}
    until(lambda: up.status("/products") == 200)
    assert up.metric("gatewright_worker_restarts_total") == 1
    # What the dead one had counted is still there.
    counted = series("own", "deny")
    assert up.metric(counted) > 0


def series(policy: str, verdict: str) -> str:
    return (
        f'gatewright_decisions_total{{face="authz",policy="{policy}",reason="rego",'
        f'shadow="false",verdict="{verdict}"}}'
    )


def test_metrics_tell_decisions_and_loads(shop: Up) -> None:
    shop.status("/products")
    counted = series("shop", "allow")
    until(lambda: shop.metric(counted) >= 1)
    assert shop.metric('gatewright_config_load_total{result="loaded"}') == 1
    status, text = shop.admin("/readyz")
    assert (status, json.loads(text)["ready"]) == (200, True)


def test_envoy_takes_the_same_view_of_what_was_decided(shop: Up) -> None:
    import urllib.request

    def stat(name: str) -> int:
        with urllib.request.urlopen(f"{shop.ready['envoy_admin']}/stats?filter={name}$") as answer:
            return sum(int(line.rpartition(b" ")[2]) for line in answer)

    denied, errors = stat("ext_authz.denied"), stat("ext_authz.error")
    assert shop.status("/orders") == 403
    assert shop.status("/admin%2Fprices") == 400
    assert stat("ext_authz.denied") > denied
    # Our refusals are decisions, never errors that a gateway may let through.
    assert stat("ext_authz.error") == errors
