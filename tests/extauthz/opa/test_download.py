"""When a bundle is asked for, and what reports say."""

import pytest

from callout.config.problems import Problem
from extauthz.opa.download import BUNDLES, LEAST, MOST_SUPERSEDED, Download
from extauthz.opa.problems import BundleRefused
from extauthz.opa.settings import Polling
from extauthz.opa.status import NEVER, BundleStatus, rfc3339


def polling(**more: int) -> Polling:
    return Polling.model_validate({"min_delay_seconds": 10, "max_delay_seconds": 30, **more})


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 10.0), (0.5, 20.0), (1.0, 30.0)])
def test_polls_vary_between_the_two_delays(chance: float, seconds: float) -> None:
    download = Download(polling(), lambda: chance)

    assert download.activated('"e"', {}, 0.0) == seconds
    assert download.unchanged() == seconds


def test_failures_wait_longer_and_longer_up_to_the_most() -> None:
    download = Download(polling(), lambda: 0.5)

    delays = [download.failed() for _ in range(20)]

    assert delays[:3] == [0.1, pytest.approx(0.16), pytest.approx(0.256)]
    assert delays[-1] == 30
    assert download.unchanged() == 20
    assert download.failed() == 0.1


def test_a_bundle_that_is_not_used_is_asked_for_again() -> None:
    download = Download(polling())
    assert "If-None-Match" not in download.headers(0.0)

    download.activated('"good"', {}, 0.0)
    download.failed()

    assert download.headers(1.0)["If-None-Match"] == '"good"'


def test_long_polling_goes_on_only_where_the_service_knows_it() -> None:
    download = Download(polling(long_polling_timeout_seconds=7))
    assert download.headers(0.0)["Prefer"] == "modes=snapshot,delta;wait=7"

    assert download.activated('"e"', {"Content-Type": BUNDLES}, 0.0) == LEAST
    assert (download.unchanged(), download.waits) == (LEAST, 7)
    assert download.activated('"f"', {"Content-Type": "application/gzip"}, 0.0) >= 10
    assert download.headers(0.0)["Prefer"] == "modes=snapshot,delta"


def test_etags_of_replaced_bundles_are_sent_for_a_while() -> None:
    download = Download(polling(superseded_etag_ttl_seconds=60))
    for number in range(20):
        download.activated(f'"{number}"', {}, float(number))

    sent = download.headers(20.0)["If-None-Match"].split(", ")

    assert len(sent) == MOST_SUPERSEDED + 1
    assert sent[:2] == ['"19"', '"18"']
    assert download.headers(1000.0)["If-None-Match"] == '"19"'


def test_a_report_says_what_opas_does() -> None:
    status = BundleStatus("authz")
    assert status.document()["last_successful_activation"] == NEVER

    status.problem = BundleRefused("server replied with Not Found", http_code=404)
    assert status.document()["http_code"] == 404
    wrong = Problem("opa/authz/p.rego", 3, 5, "", "rego_type_error: undefined function f")
    status.problem = BundleRefused("...", errors=(wrong,))
    assert status.document()["errors"] == [
        {
            "code": "rego_type_error",
            "message": "undefined function f",
            "location": {"file": "opa/authz/p.rego", "row": 3, "col": 5},
        }
    ]
    assert rfc3339(1.5) == "1970-01-01T00:00:01.500000Z"
