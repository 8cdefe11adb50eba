"""What a request body says, by body processor: what ARGS_POST, FILES, XML and the flags read.

The decoding is that of `callout/http/bodies`; here it gets the names that rules know.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from callout.http.bodies import json_leaves, media_type, urlencoded, xml_values
from callout.http.bodies import multipart as multiparts
from callout.http.bodies.limits import Limits
from callout.http.bodies.oddities import BROKEN, GRADES, Oddities, sorted_words
from waf.settings import EngineSettings

Pairs: TypeAlias = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class File:
    """A part of a multipart body that has a file name."""

    fields: tuple[bytes, ...]
    """Names of the part: more than one, where readers may choose differently."""
    names: tuple[bytes, ...]
    """File names, likewise."""
    content: bytes


@dataclass(frozen=True, slots=True)
class BodyValues:
    """The body as its processor understood it."""

    arguments: Pairs = ()
    """ARGS_POST."""
    files: tuple[File, ...] = ()
    part_headers: Pairs = ()
    """MULTIPART_PART_HEADERS: the name of the part, one raw header line of it."""
    part_names: Pairs = ()
    """MULTIPART_NAME by part."""
    part_file_names: Pairs = ()
    """MULTIPART_FILENAME by part."""
    texts: tuple[bytes, ...] = ()
    """XML:/*: the text of each element."""
    attributes: tuple[bytes, ...] = ()
    """XML://@*: the value of each attribute."""
    error: str = ""
    """REQBODY_ERROR_MSG; empty: there was none."""
    encoding_error: bool = False
    """URLENCODED_ERROR: a percent sign that begins no escape."""
    flags: Mapping[str, int] = field(default_factory=dict)
    """MULTIPART_STRICT_ERROR and its like, by the name of the variable."""


NO_BODY: Final = BodyValues()


def limits(settings: EngineSettings) -> Limits:
    """The limits of the decoders that directives set."""
    return Limits(
        arguments=settings.arguments_limit,
        json_depth=settings.json_depth_limit,
        files=settings.upload_file_limit,
    )


def form(body: bytes, settings: EngineSettings) -> BodyValues:
    """Of a form, or of a query."""
    decoded = urlencoded.decode(body, limits(settings), settings.argument_separator)
    return BodyValues(
        arguments=decoded.pairs,
        error=_error(decoded.oddities),
        encoding_error="bad_escape" in decoded.oddities,
    )


def json(body: bytes, settings: EngineSettings) -> BodyValues:
    """Of a JSON document: its leaves, as `json.a.0.b`, and the names of its arrays, `json.a`."""
    decoded = json_leaves.decode(body, limits(settings))
    # As Coraza has them, whose value of each is its length: rules ask how a name ends, and that of
    # a leaf in an array ends in an index.
    arrays = tuple((name, b"") for name in decoded.arrays)
    return BodyValues(arguments=decoded.pairs + arrays, error=_error(decoded.oddities))


def multipart(body: bytes, content_type: bytes, settings: EngineSettings) -> BodyValues:
    """Of a form with files. A part of several names is an argument, or a file, under each."""
    decoded = multiparts.decode(body, media_type.parse(content_type), limits(settings))
    named = [(part.names or (b"",), part) for part in decoded.parts]
    return BodyValues(
        arguments=decoded.pairs,
        files=tuple(
            File(names, part.filenames, part.content) for names, part in named if part.is_file
        ),
        part_headers=tuple(
            (name, line) for names, part in named for name in names for line in part.lines
        ),
        part_names=tuple((name, name) for names, _ in named for name in names),
        part_file_names=tuple(
            (name, file_name)
            for names, part in named
            for name in names
            for file_name in part.filenames
        ),
        error=_error(decoded.oddities),
        flags=multiparts.flags(decoded.oddities),
    )


def xml(body: bytes, settings: EngineSettings) -> BodyValues:
    """Of an XML document: texts and attributes one by one, as Coraza has them."""
    decoded = xml_values.decode(body, limits(settings))
    return BodyValues(
        texts=decoded.texts, attributes=decoded.attributes, error=_error(decoded.oddities)
    )


def _error(oddities: Oddities) -> str:
    broken = sorted_words(oddities & BROKEN)
    return "; ".join(GRADES[word][1] for word in broken)
