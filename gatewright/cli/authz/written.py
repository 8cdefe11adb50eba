"""The request that `authz eval` decides about: from flags, or from JSON."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from extauthz.explain.messages import BadRequest, Written, check_request, check_request_of
from extauthz.policy.errors import BuiltinError
from extauthz.policy.values.text import from_json
from gatewright.cli.given import Unreadable, read_bounded

MOST: Final = 16 << 20
"""Bytes of a file that is read: Envoy's messages are at most 4 MiB."""
_FLAGS: Final = ("method", "path", "host", "scheme", "header", "body", "body_file", "token")
_FLAGS_MORE: Final = ("client_cert", "source")
_KEYS: Final = frozenset(
    {"method", "path", "host", "scheme", "headers", "body", "token", "source", "policy"}
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of a request."""
    one = parser.add_argument_group("the request")
    one.add_argument("--method", metavar="NAME", help="default GET")
    one.add_argument("--path", metavar="PATH", help="with its query; default /")
    one.add_argument("--host", metavar="HOST", help="the authority")
    one.add_argument("--scheme", metavar="NAME", help="default https")
    one.add_argument(
        "--header", action="append", metavar="'NAME: VALUE'", help="may be given several times"
    )
    one.add_argument("--body", metavar="TEXT", help="what Envoy sends of the body")
    one.add_argument("--body-file", type=Path, metavar="FILE", help="the same, from a file")
    one.add_argument("--token", metavar="TOKEN", help="a bearer token, or @FILE that holds it")
    one.add_argument("--client-cert", type=Path, metavar="FILE", help="the peer's, as PEM")
    one.add_argument("--source", metavar="ADDRESS", help="of the peer; default 127.0.0.1")
    one.add_argument("--policy", metavar="NAME", help="the policy that the route names")
    one.add_argument(
        "--input",
        metavar="FILE",
        help="instead of flags: a CheckRequest as protobuf's JSON, or {method, path, host, scheme,"
        " headers, body, token, source, policy}; - is standard input",
    )
    one.add_argument(
        "--document", action="store_true", help="--input is Rego's input itself; see --policy"
    )


def message_of(arguments: argparse.Namespace) -> bytes:
    """The CheckRequest.

    Raises:
        BadRequest: it is none.
    """
    try:
        return _message(arguments)
    except ValueError:  # UnicodeError is one, too
        raise BadRequest("expected texts in UTF-8") from None


def _message(arguments: argparse.Namespace) -> bytes:
    if arguments.input is None:
        return check_request(_of_flags(arguments))
    document = _json(arguments.input)
    if not isinstance(document, dict):
        raise BadRequest("expected a JSON object")
    if "attributes" not in document:
        return check_request(_of_words(document, arguments.policy))
    if arguments.policy is not None:
        raise BadRequest("expected contextExtensions.policy of the CheckRequest, found --policy")
    return check_request_of(document)


def document_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Rego's input.

    Raises:
        BadRequest: it is none.
    """
    try:
        document = from_json(_read(arguments.input))
    except (ValueError, BuiltinError, RecursionError):
        raise BadRequest("expected JSON") from None
    if not isinstance(document, dict):
        raise BadRequest("expected a JSON object")
    return document


def check(arguments: argparse.Namespace) -> None:
    """Whether the flags fit together.

    Raises:
        BadRequest: they do not.
    """
    given = [name for name in (*_FLAGS, *_FLAGS_MORE) if getattr(arguments, name) is not None]
    if arguments.input is not None and given:
        raise BadRequest(f"expected --input or --{given[0].replace('_', '-')}, found both")
    if arguments.document and arguments.input is None:
        raise BadRequest("expected --input with --document")
    if arguments.body is not None and arguments.body_file is not None:
        raise BadRequest("expected --body or --body-file, found both")


def _of_flags(given: argparse.Namespace) -> Written:
    body: bytes | None = None if given.body is None else given.body.encode()
    if given.body_file is not None:
        body = _read(str(given.body_file))
    headers = []
    for each in given.header or ():
        name, mark, value = each.partition(":")
        if not mark:
            raise BadRequest("expected --header 'name: value'")
        headers.append((name.strip(), value.strip()))
    return Written(
        given.method or "GET",
        given.path or "/",
        given.host or "",
        given.scheme or "https",
        tuple(headers),
        body,
        _token(given.token),
        given.source or "127.0.0.1",
        None if given.client_cert is None else _read(str(given.client_cert)),
        given.policy,
    )


def _token(given: str | None) -> str | None:
    if given is None or not given.startswith("@"):
        return given
    return _read(given[1:]).decode(errors="replace").strip()


def _of_words(document: Mapping[str, Any], policy: str | None) -> Written:
    unknown = sorted(document.keys() - _KEYS)
    if unknown:
        raise BadRequest(f"expected {', '.join(sorted(_KEYS))}, found {unknown[0]!r}")
    headers = document.get("headers", {})
    if not isinstance(headers, dict):
        raise BadRequest("expected headers as an object")
    pairs = [
        (name, value)
        for name, values in headers.items()
        for value in (values if isinstance(values, list) else [values])
    ]
    texts = [value for name, value in document.items() if name != "headers"]
    if not all(isinstance(each, str) for each in (*texts, *(value for _, value in pairs))):
        raise BadRequest("expected texts")
    body = document.get("body")
    return Written(
        document.get("method", "GET"),
        document.get("path", "/"),
        document.get("host", ""),
        document.get("scheme", "https"),
        tuple(pairs),
        None if body is None else body.encode(),
        document.get("token"),
        document.get("source", "127.0.0.1"),
        policy=document.get("policy", policy),
    )


def _json(path: str) -> Any:
    try:
        return json.loads(_read(path))
    except (ValueError, RecursionError):
        raise BadRequest("expected JSON") from None


def _read(path: str) -> bytes:
    try:
        return read_bounded(path, MOST)
    except Unreadable as error:
        raise BadRequest(str(error)) from None
