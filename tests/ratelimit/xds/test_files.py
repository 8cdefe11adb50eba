"""What a management server sends becomes a file that the one loader reads."""

import json

import pytest
from google.protobuf import descriptor_pool
from hypothesis import given
from hypothesis import strategies as st

from callout.config import yaml
from callout.config.problems import Rejected
from ratelimit.domains import load
from ratelimit.rules import Rule, Tree, match
from ratelimit.xds.config_proto import MESSAGE, TYPE_URL, RateLimitConfig, unit_name
from ratelimit.xds.files import FOLDER, Resource, files_of


def resource(name: str, domain: str, *descriptors: object) -> Resource:
    config = RateLimitConfig(name=name, domain=domain, descriptors=descriptors)
    return Resource(TYPE_URL, config.SerializeToString())


def descriptor(
    key: str, requests: int, unit: str = "MINUTE", **fields: object
) -> dict[str, object]:
    return {"key": key, "rate_limit": {"unit": unit, "requests_per_unit": requests}, **fields}


def written(*resources: Resource) -> dict[str, object]:
    files = files_of(resources)
    assert not isinstance(files, str), files
    return {path: json.loads(data) for path, data in files.items()}


def met(tree: Tree, *entries: tuple[str, str]) -> Rule:
    found = match(tree, entries)
    assert found is not None
    return found.rule


def field(number: int, value: bytes | int) -> bytes:
    """One field on the wire, by hand: the numbers are those of envoyproxy/ratelimit's rls_conf."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def test_the_numbers_are_those_of_the_published_file() -> None:
    replaces = field(1, b"other")
    policy = field(1, 7) + field(2, 5) + field(3, 1) + field(4, b"mine") + field(5, replaces)
    child = field(1, b"path")
    parent = (
        field(1, b"user") + field(2, b"x") + field(3, policy) + field(4, child)
        + field(5, 1) + field(6, 1) + field(7, 1)
    )  # fmt: skip
    message = field(1, b"one") + field(2, b"shop") + field(3, parent)
    assert written(Resource(TYPE_URL, message)) == {
        f"{FOLDER}one.yaml": {
            "domain": "shop",
            "descriptors": [
                {
                    "key": "user",
                    "value": "x",
                    "rate_limit": {
                        "unlimited": True,
                        "unit": "WEEK",
                        "requests_per_unit": 5,
                        "name": "mine",
                        "replaces": [{"name": "other"}],
                    },
                    "shadow_mode": True,
                    "detailed_metric": True,
                    "quota_mode": True,
                    "descriptors": [{"key": "path"}],
                }
            ],
        }
    }
    names = ("UNKNOWN", "SECOND", "MINUTE", "HOUR", "DAY", "MONTH", "YEAR", "WEEK")
    assert tuple(map(unit_name, range(8))) == names
    assert unit_name(9) == "9"


def test_the_message_is_in_no_pool_but_our_own() -> None:
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName(MESSAGE)


def test_what_envoy_gateway_sends_limits_as_the_same_file_would() -> None:
    nested = {"key": "rule-0-match-0", "value": "v", "descriptors": [descriptor("user", 3)]}
    files = files_of([resource("default/eg/http", "default/eg/http", nested)])
    assert not isinstance(files, str)
    domains = load(files)
    assert not isinstance(domains, Rejected)
    rule = met(domains["default/eg/http"], ("rule-0-match-0", "v"), ("user", "ann"))
    assert rule.limit is not None
    assert (rule.limit.requests, rule.limit.unit.name) == (3, "minute")


def test_unlimited_without_a_unit_is_unlimited() -> None:
    files = files_of([resource("a", "a", {"key": "vip", "rate_limit": {"unlimited": True}})])
    assert not isinstance(files, str)
    domains = load(files)
    assert not isinstance(domains, Rejected)
    assert met(domains["a"], ("vip", "x")).limit is None


def test_a_unit_that_nobody_knows_is_the_loaders_problem() -> None:
    files = files_of([resource("a", "a", descriptor("k", 1, unit="UNKNOWN"))])
    assert not isinstance(files, str)
    domains = load(files)
    assert isinstance(domains, Rejected)
    assert "UNKNOWN" in str(domains.problems[0])


def test_the_same_resources_in_another_order_are_the_same_files() -> None:
    some = [resource(name, name, descriptor("k", 1)) for name in ("b", "a", "c")]
    assert files_of(some) == files_of(some[::-1])
    assert list(written(*some)) == [f"{FOLDER}{name}.yaml" for name in "abc"]


def test_no_name_leads_out_of_the_folder_or_hides_another() -> None:
    names = ("../../shop", "/etc/passwd", "a\0b", "", "same", "same")
    files = written(*(resource(name, f"d{index}") for index, name in enumerate(names)))
    assert len(files) == len(names)
    assert all("/" not in path.removeprefix(FOLDER) for path in files)
    long = written(resource("x" * 100_000, "d"))
    assert len(next(iter(long))) < 200


def test_nothing_is_a_configuration() -> None:
    assert files_of([]) == {}


def test_what_is_no_rate_limit_config_is_refused_with_its_place() -> None:
    good = resource("a", "a")
    cluster = Resource("type.googleapis.com/envoy.config.cluster.v3.Cluster", b"")
    assert str(files_of([good, cluster])).startswith("resource 1: expected ratelimit.config.")
    assert str(files_of([good, good, Resource(TYPE_URL, b"\xff")])).startswith("resource 2: not a")


def test_nesting_without_end_is_refused() -> None:
    message = field(1, b"k")
    for _ in range(200):
        message = field(1, b"k") + b"\x22" + _varint(len(message)) + message
    message = field(2, b"d") + b"\x1a" + _varint(len(message)) + message
    assert str(files_of([Resource(TYPE_URL, message)])).startswith("resource 0: not a")


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


@given(st.text(st.characters(exclude_categories=("Cs",))), st.text(max_size=20))
def test_every_text_arrives_as_it_was_sent(value: str, domain: str) -> None:
    domain = "".join(each for each in domain if not "\ud800" <= each <= "\udfff")
    files = files_of([resource("n", domain, {"key": value, "value": value})])
    assert not isinstance(files, str)
    (data,) = files.values()
    documents = yaml.parse("n", data)
    assert not isinstance(documents, Rejected), documents.problems
    (found,) = documents
    assert found.value["domain"] == domain
    assert found.value["descriptors"][0]["key"] == value
    assert found.value["descriptors"][0].get("value", "") == value
