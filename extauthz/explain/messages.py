"""CheckRequests from what a person writes, and CheckResponses as plain values."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from cryptography import x509
from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf import json_format

from extauthz.outcome import Headers


class BadRequest(Exception):
    """It is no request; the text says why."""


@dataclass(frozen=True, slots=True)
class Written:
    """A request in a few words."""

    method: str = "GET"
    path: str = "/"
    host: str = ""
    scheme: str = "https"
    headers: tuple[tuple[str, str], ...] = ()
    """In the order as written; a name that is repeated is joined as Envoy joins it."""
    body: bytes | None = None
    """None: Envoy was not asked to send it."""
    token: str | None = None
    """Of `authorization: Bearer`."""
    source: str = "127.0.0.1"
    """The address of the peer."""
    client_cert: bytes | None = None
    """The peer's certificate as PEM."""
    policy: str | None = None
    """What trusted route configuration names."""


_PORT: Final = 51874
"""Of the peer: any."""


def check_request(written: Written) -> bytes:
    """The CheckRequest that Envoy would send of such a request.

    Raises:
        BadRequest: the certificate is none, a header has no name.
    """
    request = external_auth_pb2.CheckRequest()
    attributes = request.attributes
    address = attributes.source.address.socket_address
    address.address, address.port_value = written.source, _PORT
    if written.client_cert is not None:
        attributes.source.principal = _principal(written.client_cert)
        attributes.source.certificate = quote(written.client_cert.decode("ascii"), safe="")
    attributes.request.time.FromNanoseconds(time.time_ns())
    http = attributes.request.http
    http.method, http.path, http.host = written.method, written.path, written.host
    http.scheme, http.protocol = written.scheme, "HTTP/2"
    for name, value in _headers(written).items():
        http.headers[name] = value
    http.size = -1
    if written.body is not None:
        http.size = len(written.body)
        try:
            http.body = written.body.decode()
        except UnicodeDecodeError:
            http.raw_body = written.body
    if written.policy is not None:
        attributes.context_extensions["policy"] = written.policy
    data: bytes = request.SerializeToString()
    return data


def _headers(written: Written) -> dict[str, str]:
    found = {
        ":authority": written.host,
        ":method": written.method,
        ":path": written.path,
        ":scheme": written.scheme,
    }
    lists: dict[str, list[str]] = {}
    for name, value in written.headers:
        if not name:
            raise BadRequest("expected `name: value`, found a header without a name")
        lists.setdefault(name.lower(), []).append(value)
    for name, values in lists.items():
        found[name] = ("; " if name == "cookie" else ",").join(values)
    if written.token is not None:
        found["authorization"] = f"Bearer {written.token}"
    return found


def _principal(pem: bytes) -> str:
    """As Envoy has it: the URI of the certificate, else its DNS name, else its subject."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise BadRequest("expected a certificate as PEM") from None
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return certificate.subject.rfc4514_string()
    for kind in (x509.UniformResourceIdentifier, x509.DNSName):
        found: list[str] = names.get_values_for_type(kind)
        if found:
            return found[0]
    return certificate.subject.rfc4514_string()


def check_request_of(document: Mapping[str, Any]) -> bytes:
    """A CheckRequest from protobuf's JSON.

    Raises:
        BadRequest: it is none.
    """
    request = external_auth_pb2.CheckRequest()
    try:
        json_format.ParseDict(dict(document), request)
    except json_format.ParseError as error:
        raise BadRequest(f"expected a CheckRequest: {error}") from None
    data: bytes = request.SerializeToString()
    return data


@dataclass(frozen=True, slots=True)
class Answer:
    """A CheckResponse in plain words."""

    allowed: bool
    status: int
    """Of HTTP: what the client gets of a denial; 200: the upstream decides."""
    headers: Headers
    """Set on the request that is let pass; of a denial: on the answer to the client."""
    remove: tuple[str, ...] = ()
    response_headers: Headers = ()
    query_set: tuple[tuple[str, str], ...] = ()
    query_remove: tuple[str, ...] = ()
    body: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """The dynamic metadata, without the decision's id."""


def answer_of(reply: bytes) -> Answer:
    """Read a CheckResponse."""
    response = external_auth_pb2.CheckResponse.FromString(reply)
    metadata = json_format.MessageToDict(response.dynamic_metadata)
    metadata.pop("decision_id", None)
    if response.status.code == 0:
        ok = response.ok_response
        return Answer(
            True,
            200,
            _pairs(ok.headers),
            tuple(ok.headers_to_remove),
            _pairs(ok.response_headers_to_add),
            tuple((each.key, each.value) for each in ok.query_parameters_to_set),
            tuple(ok.query_parameters_to_remove),
            "",
            metadata,
        )
    denied = response.denied_response
    return Answer(
        False, denied.status.code, _pairs(denied.headers), body=denied.body, metadata=metadata
    )


def _pairs(options: Any) -> Headers:
    return tuple((each.header.key, each.header.value) for each in options)
