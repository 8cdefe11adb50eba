"""Which requests may come again."""

from callout.testing.requests import rate_limit_request
from ratelimit.envoy import parse
from ratelimit.request import Request
from ratelimit.retries.request_id import receipt, without_id


def parsed(*descriptors: dict[str, str]) -> Request:
    found = parse(rate_limit_request("edge", *descriptors).SerializeToString())
    assert isinstance(found, Request)
    return found


def test_an_id_is_no_part_of_what_is_counted_by() -> None:
    request, found = without_id(parsed({"a": "1", "request_id": "x"}, {"b": "2"}), "request_id")
    assert found
    assert request == parsed({"a": "1"}, {"b": "2"})


def test_without_an_id_or_with_an_empty_one_there_is_none() -> None:
    assert without_id(parsed({"a": "1"}), "request_id") == (parsed({"a": "1"}), False)
    assert without_id(parsed({"a": "1", "request_id": ""}), "request_id") == (
        parsed({"a": "1"}),
        False,
    )


def test_what_differs_in_anything_has_another_receipt() -> None:
    messages = [
        rate_limit_request("edge", {"request_id": "x", "at": at}, hits_addend=hits)
        for at in ("before", "after")
        for hits in (1, 5)
    ]
    assert len({receipt(each.SerializeToString()) for each in messages}) == 4
