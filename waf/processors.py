"""Which body processor a request gets, and what it makes of the body.

Forms are told by their Content-Type alone; JSON and XML only where a rule says so with
`ctl:requestBodyProcessor`, as in ModSecurity and Coraza: their recommended rules do.
"""

from dataclasses import replace

from callout.http.head import Headers, RequestHead
from waf.bodies import NO_BODY, BodyValues, form, json, multipart, xml
from waf.settings import EngineSettings


def choose(headers: Headers) -> bytes:
    """REQBODY_PROCESSOR as the Content-Type says it; empty: none."""
    content_type = (headers.get(b"content-type") or b"").lower()
    if content_type.startswith(b"application/x-www-form-urlencoded"):
        return b"URLENCODED"
    if content_type.startswith(b"multipart/form-data"):
        return b"MULTIPART"
    return b""


def decode(
    processor: bytes, head: RequestHead, body: bytes, settings: EngineSettings
) -> BodyValues:
    """What the processor makes of the body; nothing when there is none."""
    values = _decode(processor, head, body, settings)
    limit = settings.request_body_no_files_limit
    if limit is None or values.error:
        return values
    size = len(body)
    if processor == b"MULTIPART":
        size = sum(len(name) + len(value) for name, value in values.arguments)
    if size <= limit:
        return values
    return replace(values, error="the body without its files is longer than the limit")


def _decode(
    processor: bytes, head: RequestHead, body: bytes, settings: EngineSettings
) -> BodyValues:
    if processor == b"URLENCODED":
        return form(body, settings)
    if processor == b"JSON":
        return json(body, settings)
    if processor == b"MULTIPART":
        return multipart(body, head.headers.joined(b"content-type") or b"", settings)
    if processor == b"XML":
        return xml(body, settings)
    return NO_BODY
