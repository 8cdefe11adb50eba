"""One way to read a body."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from callout.http.bodies import json_leaves, multipart, urlencoded, xml_values
from callout.http.bodies.limits import Limits
from callout.http.bodies.media_type import MediaType
from callout.http.bodies.multipart import Multipart
from callout.http.bodies.oddities import NONE, Oddities
from callout.http.bodies.pairs import Pairs
from callout.http.bodies.xml_values import XmlValues

Kind: TypeAlias = Literal["urlencoded", "multipart", "json", "xml", "raw"]
"""Formats; SecLang's body processors in lower case."""

Content: TypeAlias = Pairs | Multipart | XmlValues | None
"""None: the body as a whole."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader of one kind finds."""

    kind: Kind
    content: Content

    @property
    def oddities(self) -> Oddities:
        """What is odd about the body if it is of this kind."""
        return NONE if self.content is None else self.content.oddities


def kind_of(media_type: MediaType) -> Kind:
    """The format that a Content-Type names."""
    name = media_type.name
    if name == b"application/x-www-form-urlencoded":
        return "urlencoded"
    if name.startswith(b"multipart/"):
        return "multipart"
    subtype = name.rpartition(b"/")[2]
    suffix = subtype.rpartition(b"+")[2]
    if suffix in (b"json", b"xml"):
        return "json" if suffix == b"json" else "xml"
    return "raw"


def read(
    kind: Kind, body: bytes, media_type: MediaType, limits: Limits, separators: bytes
) -> Reading:
    """Reads a body as of one kind."""
    content: Content = None
    if kind == "urlencoded":
        content = urlencoded.decode(body, limits, separators)
    elif kind == "multipart":
        content = multipart.decode(body, media_type, limits)
    elif kind == "json":
        content = json_leaves.decode(body, limits)
    elif kind == "xml":
        content = xml_values.decode(body, limits)
    return Reading(kind, content)
