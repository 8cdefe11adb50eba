"""How much of a body is taken apart: every size that a stranger chooses."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Limits:
    """What goes beyond is not looked at, and the decoder says so by an oddity of its own."""

    arguments: int = 1_000
    """Pairs of a form, a query or cookies; leaves of JSON. ModSecurity's SecArgumentsLimit."""
    parts: int = 1_000
    """Parts of a multipart body, files included."""
    files: int = 100
    """Parts that are files: ModSecurity's SecUploadFileLimit."""
    part_headers: int = 64
    """Header lines of one part. Browsers send two."""
    part_header_line: int = 4_096
    """Bytes of one header line of a part, continuations included. ModSecurity's buffer has as
    many."""
    nesting: int = 2
    """Multipart bodies inside of each other that are read as such."""
    json_depth: int = 512
    """Objects and arrays inside of each other. ModSecurity's SecRequestBodyJsonDepthLimit."""
    json_name: int = 4_096
    """Bytes of a leaf's whole name. Without it, 512 keys of 1 KiB inside of each other and 1,000
    leaves at the bottom would make half a GiB of names of half a MiB of body."""
    xml_depth: int = 512
    """Elements inside of each other."""
    xml_values: int = 10_000
    """Texts and attribute values. More than of JSON, since white space between elements divides
    texts, too."""
    inflated: int = 16 * 1024 * 1024
    """Bytes that a compressed body may have when it is not compressed."""
    inflated_free: int = 1024 * 1024
    """Bytes that a compressed body may always have: small ones of zeroes have a high ratio, and
    harm nobody."""
    inflated_ratio: int = 100
    """How many times its size a compressed body may have, above `inflated_free`. JSON and HTML come
    to 30; deflate cannot do more than 1,032, brotli and zstd can do a million."""
    codings: int = 2
    """Content codings one over the other."""


DEFAULT: Final = Limits()
