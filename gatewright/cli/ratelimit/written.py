"""The request that `ratelimit try` asks about: from flags, or from JSON."""

import argparse
from typing import Final

from envoy.service.ratelimit.v3 import rls_pb2
from google.protobuf import json_format

from callout.config import identity
from gatewright.cli.given import Unreadable, read_bounded
from ratelimit import envoy
from ratelimit.domains import OWN_DOMAIN
from ratelimit.request import BadRequest, Request

_MOST: Final = 4 << 20
"""Bytes of JSON that are read: Envoy's messages are at most 4 MiB."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of a request."""
    one = parser.add_argument_group("the request")
    one.add_argument(
        "--domain", metavar="NAME", help=f"default {OWN_DOMAIN}, that of the policies' limits"
    )
    one.add_argument(
        "--descriptor",
        action="append",
        metavar="KEY=VALUE,...",
        help="its entries in order; may be given several times",
    )
    one.add_argument(
        "--identity",
        metavar="FIELD=VALUE,...",
        help=f"who asks, in every descriptor of the domain {OWN_DOMAIN}",
    )
    one.add_argument("--hits", type=int, metavar="N", help="how many to count; default 1")
    one.add_argument(
        "--input",
        metavar="FILE",
        help="instead of flags: a RateLimitRequest as protobuf's JSON; - is standard input",
    )


def request_of(arguments: argparse.Namespace) -> Request | BadRequest:
    """The request, as the service would read it."""
    if arguments.input is None:
        message = _of_flags(arguments)
    elif arguments.hits is not None or any(
        (arguments.domain, arguments.descriptor, arguments.identity)
    ):
        return BadRequest("expected --input or the flags of a request, found both")
    else:
        message = _of_json(arguments.input)
    if isinstance(message, BadRequest):
        return message
    return envoy.parse(message.SerializeToString())


def _of_flags(given: argparse.Namespace) -> "rls_pb2.RateLimitRequest | BadRequest":
    hits = 1 if given.hits is None else given.hits
    if not 0 <= hits < 2**64:
        return BadRequest("expected --hits from 0 to 2^64-1")
    request = rls_pb2.RateLimitRequest(domain=given.domain or OWN_DOMAIN)
    try:
        for each in given.descriptor or ():
            descriptor = request.descriptors.add()
            descriptor.hits_addend.value = hits
            for key, value in _pairs(each):
                descriptor.entries.add(key=key, value=value)
            if given.identity:
                who = identity.encode(dict(_pairs(given.identity)))
                descriptor.entries.add(key="id", value=who)
    except ValueError:  # UnicodeError is one, too
        return BadRequest("expected texts in UTF-8")
    return request


def _pairs(text: str) -> list[tuple[str, str]]:
    found = []
    for each in text.split(","):
        key, _, value = each.partition("=")
        found.append((key, value))
    return found


def _of_json(path: str) -> "rls_pb2.RateLimitRequest | BadRequest":
    try:
        data = read_bounded(path, _MOST)
    except Unreadable as error:
        return BadRequest(str(error))
    try:
        return json_format.Parse(data.decode(), rls_pb2.RateLimitRequest())
    except (ValueError, RecursionError, json_format.ParseError):
        return BadRequest(f"{path}: expected a RateLimitRequest as protobuf's JSON")
