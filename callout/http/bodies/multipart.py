"""multipart/form-data (RFC 7578, RFC 2046): parts, and all that is wrong with how they are divided.

A body is first cut at its delimiters, then each piece into header lines and content; nothing that
is odd ends the reading, so that rules see all that any reader could. Cutting is by search, not line
by line: 1 MB of a file takes 1 ms.
"""

import itertools
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from callout.http.bodies import disposition, media_type
from callout.http.bodies.boundary import boundaries, oddities_of
from callout.http.bodies.limits import DEFAULT, Limits
from callout.http.bodies.media_type import MISSING, MediaType
from callout.http.bodies.oddities import NONE, Oddities, Oddity
from callout.http.bodies.pairs import Pair


@dataclass(frozen=True, slots=True)
class Part:
    """A field or a file."""

    names: tuple[bytes, ...]
    """Empty: it has none. More than one: readers choose differently."""
    filenames: tuple[bytes, ...]
    """As sent, with directories if there are any."""
    lines: tuple[bytes, ...]
    """Header lines as they were sent, continuations joined by a space: MULTIPART_PART_HEADERS."""
    content: bytes
    media_type: MediaType = MISSING
    is_field: bool = True
    """Whether some reader takes it for a field. It can be a file for others: PHP does not know
    `filename*`, and who does not know continued lines does not see what stands there."""

    @property
    def name(self) -> bytes:
        """The first name; empty: there is none."""
        return self.names[0] if self.names else b""

    @property
    def is_file(self) -> bool:
        """Whether some reader takes it for a file: a form sends an empty filename for none."""
        return any(self.filenames)


@dataclass(frozen=True, slots=True)
class Multipart:
    """What a body comes to."""

    parts: tuple[Part, ...]
    oddities: Oddities = NONE
    outside: bytes = b""
    """What comes before the first delimiter and after the last: no part, but sent."""

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The fields, by each of their names."""
        return tuple(
            (name, part.content)
            for part in self.parts
            if part.is_field
            for name in part.names or (b"",)
        )


def decode(
    body: bytes, kind: MediaType, limits: Limits = DEFAULT, boundary: bytes | None = None
) -> Multipart:
    """Takes a body apart.

    Args:
        body: as it was sent.
        kind: its Content-Type.
        limits: how many parts, files and header lines.
        boundary: one of `boundaries(kind)`; None: the first.
    """
    if boundary is None:
        boundary = next(iter(boundaries(kind)), None)
    reader = _Reader(body, limits)
    reader.oddities |= oddities_of(boundary, kind)
    parts, outside = reader.read(boundary) if boundary else ((), body)
    return Multipart(parts, frozenset(reader.oddities), outside)


class _Delimiter(NamedTuple):
    before: int
    """Where the content before it ends."""
    at: int
    """Where its dashes are."""
    end: int
    """Where the line after it begins."""
    is_final: bool


_LINE_END: Final = re.compile(rb"[ \t]*+(?:\r?\n|\Z)")
_HEADER: Final = re.compile(rb"([!-9;-~]++):[ \t]*+(.*)", re.DOTALL).fullmatch
_FORBIDDEN: Final = re.compile(rb"[\x00\r]").search
_FOLD: Final = b" \t\v\f"
_UNCERTAIN: Final[Oddities] = frozenset(
    {
        "disposition_invalid",
        "escaped_quote",
        "filename_extended",
        "header_folding",
        "invalid_quoting",
        "part_header_duplicate",
        "part_header_invalid",
    }
)
"""What makes a filename one that only some readers see."""
_UNENCODED: Final = (b"7bit", b"8bit", b"binary")


class _Reader:
    def __init__(self, body: bytes, limits: Limits) -> None:
        self.oddities: set[Oddity] = set()
        self._body = body
        self._limits = limits
        self._crlf = False
        """Whether a line ended in CRLF."""

    def read(self, boundary: bytes) -> tuple[tuple[Part, ...], bytes]:
        """Gives the parts, and what is outside of them."""
        delimiters = self._delimiters(boundary)
        if not delimiters:
            self.oddities.add("delimiter_missing")
            return (), self._body
        outside = self._body[: delimiters[0].at]
        if outside:
            self.oddities.add("data_before")
        last = delimiters[-1]
        if not last.is_final:
            self.oddities.add("final_delimiter_missing")
            end = len(self._body)
            delimiters.append(_Delimiter(end, end, end, is_final=True))
        elif last.end < len(self._body):
            self.oddities.add("data_after")
            outside += self._body[last.end :]
        parts = tuple(self._part(here.end, there) for here, there in itertools.pairwise(delimiters))
        if sum(part.is_file for part in parts) > self._limits.files:
            self.oddities.add("file_limit_exceeded")
        if self._crlf and "lf_line" in self.oddities:
            self.oddities.add("crlf_lf_lines")
        return parts, outside

    def _delimiters(self, boundary: bytes) -> list[_Delimiter]:
        """Finds the delimiters up to the final one, and what only looks like one."""
        body = self._body
        needle = b"--" + boundary
        found: list[_Delimiter] = []
        end = 0
        while (at := body.find(needle, end)) >= 0:
            end = at + len(needle)
            is_final = body[end : end + 2] == b"--"
            rest = _LINE_END.match(body, end + 2 * is_final)
            if at and body[at - 1] != 10:
                self.oddities.add("unmatched_boundary")
                continue
            if rest is None:
                self.oddities.add("delimiter_invalid")
                continue
            if len(found) == self._limits.parts and not is_final:
                self.oddities.add("too_many_parts")
                break
            if rest[0].startswith((b" ", b"\t")):
                self.oddities.add("delimiter_invalid")
            line_before = body[max(at - 2, 0) : at]
            self._line_end(line_before)
            self._line_end(rest[0])
            before = at - 2 if line_before == b"\r\n" else max(at - 1, 0)
            end = rest.end()
            found.append(_Delimiter(before, at, end, is_final))
            if is_final:
                break
        lines = body.count(b"\n--", 0, end) + body.startswith(b"--")
        if lines > len(found):
            self.oddities.add("dashed_line")
        if any(begin + boundary in body for begin in (b"-- ", b"--\t", b'--"', b"--'")):
            self.oddities.add("unmatched_boundary")
        return found

    def _part(self, at: int, until: _Delimiter) -> Part:
        known, self.oddities = self.oddities, set()
        lines: list[bytes] = []
        for count in itertools.count():
            end = self._body.find(b"\n", at, until.at)
            if end < 0:
                # The delimiter comes before the empty line.
                self.oddities.add("invalid_part")
                self._line(self._body[at : until.before], lines)
                at = until.at
                break
            line = self._body[at : end + 1]
            at = end + 1
            self._line_end(line)
            line = line[:-2] if line.endswith(b"\r\n") else line[:-1]
            if not line:
                break
            if count == self._limits.part_headers:
                self.oddities.add("too_many_part_headers")
                break
            self._line(line, lines)
        part = self._named(lines, self._body[at : max(at, until.before)])
        self.oddities |= known
        return part

    def _line(self, line: bytes, lines: list[bytes]) -> None:
        """Adds a header line, or to the last one what continues it."""
        if not line:
            return
        if line[0] in _FOLD:
            self.oddities.add("header_folding")
            text = line.lstrip(_FOLD)
            if line[: len(line) - len(text)].strip(b" \t"):
                self.oddities.add("invalid_header_folding")
            if lines:
                line = lines.pop() + b" " + text
        if len(line) > self._limits.part_header_line:
            self.oddities.add("part_header_too_long")
            line = line[: self._limits.part_header_line]
        lines.append(line)

    def _named(self, lines: list[bytes], content: bytes) -> Part:
        names: dict[bytes, None] = {}
        filenames: dict[bytes, None] = {}
        kind = MISSING
        seen: set[bytes] = set()
        for line in lines:
            header = _HEADER(line)
            if header is None or _FORBIDDEN(line):
                self.oddities.add("part_header_invalid")
            if header is None:
                continue
            key, value = header[1].lower(), header[2]
            if key in seen:
                self.oddities.add("part_header_duplicate")
            seen.add(key)
            if key == b"content-disposition":
                found = disposition.parse(value)
                names.update(dict.fromkeys(found.names))
                filenames.update(dict.fromkeys(found.filenames))
                self.oddities |= found.oddities
            elif key == b"content-type":
                kind = media_type.parse(value)
                self.oddities |= kind.oddities
                if kind.name.startswith(b"multipart/"):
                    self.oddities.add("nested_multipart")
            elif key == b"content-transfer-encoding" and value.strip().lower() not in _UNENCODED:
                self.oddities.add("transfer_encoding")
        if b"content-disposition" not in seen:
            self.oddities.add("disposition_missing")
        if not any(names):
            self.oddities.add("invalid_part")
        is_field = not any(filenames) or not _UNCERTAIN.isdisjoint(self.oddities)
        return Part(tuple(names), tuple(filenames), tuple(lines), content, kind, is_field)

    def _line_end(self, line: bytes) -> None:
        """Notes how a line ended, if it did."""
        if line.endswith(b"\r\n"):
            self._crlf = True
        elif line.endswith(b"\n"):
            self.oddities.add("lf_line")


_ONLY_STRICT: Final[Oddities] = frozenset(
    {
        "boundary_missing",
        "boundary_invalid",
        "delimiter_missing",
        "delimiter_invalid",
        "final_delimiter_missing",
        "part_header_invalid",
        "part_header_duplicate",
        "disposition_missing",
        "disposition_invalid",
        "disposition_parameter",
        "parameter_duplicate",
    }
)
"""What has no flag of its own in ModSecurity, but ends its parser."""

FLAGS: Final[dict[str, Oddity]] = {
    "MULTIPART_BOUNDARY_QUOTED": "boundary_quoted",
    "MULTIPART_BOUNDARY_WHITESPACE": "boundary_whitespace",
    "MULTIPART_DATA_BEFORE": "data_before",
    "MULTIPART_DATA_AFTER": "data_after",
    "MULTIPART_HEADER_FOLDING": "header_folding",
    "MULTIPART_INVALID_HEADER_FOLDING": "invalid_header_folding",
    "MULTIPART_LF_LINE": "lf_line",
    "MULTIPART_CRLF_LF_LINES": "crlf_lf_lines",
    "MULTIPART_MISSING_SEMICOLON": "missing_semicolon",
    "MULTIPART_SEMICOLON_MISSING": "missing_semicolon",
    "MULTIPART_INVALID_QUOTING": "invalid_quoting",
    "MULTIPART_INVALID_PART": "invalid_part",
    "MULTIPART_FILE_LIMIT_EXCEEDED": "file_limit_exceeded",
}
"""Variables of SecLang that are 1 or 0, and what each tells; two are not so simple."""

_STRICT: Final[Oddities] = _ONLY_STRICT | frozenset(FLAGS.values())


def flags(oddities: Oddities) -> dict[str, int]:
    """The values of all of SecLang's MULTIPART_* flags.

    MULTIPART_STRICT_ERROR is 1 with any of the others but the one that follows, and where
    ModSecurity stops reading.

    MULTIPART_UNMATCHED_BOUNDARY is 1 where the boundary stands in a line that is no delimiter, or
    no delimiter was found; 2 where a line merely begins with two dashes, as PGP, diffs and
    signatures do. ModSecurity 2 gives 1 for both, ModSecurity 3 says 2 of every body in which two
    delimiters end in a newline, so that its recommended rule (`@eq 1`) never sees what comes
    before; Coraza always 0 (corazawaf/coraza#1098).
    """
    values = {variable: int(oddity in oddities) for variable, oddity in FLAGS.items()}
    values["MULTIPART_STRICT_ERROR"] = int(not _STRICT.isdisjoint(oddities))
    if oddities & {"unmatched_boundary", "delimiter_invalid"}:
        values["MULTIPART_UNMATCHED_BOUNDARY"] = 1
    elif "dashed_line" in oddities:
        values["MULTIPART_UNMATCHED_BOUNDARY"] = 1 if "delimiter_missing" in oddities else 2
    else:
        values["MULTIPART_UNMATCHED_BOUNDARY"] = 0
    return values
