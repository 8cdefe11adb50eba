"""What can be odd about a body, in stable words for metrics, rules and refusals."""

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

Grade: TypeAlias = Literal["uninspected", "broken", "ambiguous", "unusual"]
"""How bad it is.

`uninspected`: some of the body was not looked at. `broken`: it is not what its type says, and what
was read may not be what others read (ModSecurity's REQBODY_ERROR). `ambiguous`: readers are known
to differ. `unusual`: all read the same, but a rule may ask.
"""

Oddity: TypeAlias = Literal[
    # Content-Type
    "media_type_malformed",
    "media_type_duplicate",
    "parameter_malformed",
    "parameter_duplicate",
    "parameter_extended",
    "charset_unknown",
    "charset_not_ascii",
    "too_many_readings",
    # Content-Encoding
    "coding_unknown",
    "coding_broken",
    "coding_truncated",
    "coding_trailing",
    "deflate_raw",
    "too_many_codings",
    "inflated_too_large",
    "ratio_too_high",
    # forms, queries, cookies
    "bad_escape",
    "semicolon",
    "too_many_arguments",
    "cookie_version",
    "cookie_quoted",
    "cookie_quoted_separator",
    # multipart: what ModSecurity has a flag of
    "unmatched_boundary",
    "dashed_line",
    "boundary_quoted",
    "boundary_whitespace",
    "missing_semicolon",
    "data_before",
    "data_after",
    "header_folding",
    "invalid_header_folding",
    "lf_line",
    "crlf_lf_lines",
    "invalid_quoting",
    "invalid_part",
    "file_limit_exceeded",
    # multipart: what only its MULTIPART_STRICT_ERROR tells
    "boundary_missing",
    "boundary_invalid",
    "delimiter_missing",
    "delimiter_invalid",
    "final_delimiter_missing",
    "part_header_invalid",
    "part_header_duplicate",
    "disposition_missing",
    "disposition_invalid",
    # multipart: what it does not tell
    "disposition_parameter",
    "filename_extended",
    "escaped_quote",
    "nested_multipart",
    "transfer_encoding",
    "part_header_too_long",
    "too_many_part_headers",
    "too_many_parts",
    "nested_too_deep",
    # JSON
    "json_malformed",
    "json_bad_utf8",
    "json_bom",
    "json_comment",
    "json_constant",
    "json_duplicate_key",
    "json_lone_surrogate",
    "json_number_imprecise",
    "json_too_deep",
    "json_name_too_long",
    # XML
    "xml_malformed",
    "xml_entities",
    "xml_dtd",
    "xml_encoding",
    "xml_too_deep",
    "too_many_values",
]

Oddities: TypeAlias = frozenset[Oddity]

NONE: Final[Oddities] = frozenset()

GRADES: Final[dict[Oddity, tuple[Grade, str]]] = {
    "media_type_malformed": ("ambiguous", "the Content-Type is not TYPE/SUBTYPE"),
    "media_type_duplicate": ("ambiguous", "there are several Content-Types, in fields or in one"),
    "parameter_malformed": ("ambiguous", "a parameter is not NAME=VALUE, or its quotes are odd"),
    "parameter_duplicate": ("ambiguous", "a parameter comes twice"),
    "parameter_extended": ("ambiguous", "a parameter is written as of RFC 2231: boundary*0=x"),
    "charset_unknown": ("ambiguous", "a charset that is not of the usual ones"),
    "charset_not_ascii": ("ambiguous", "a charset in which ASCII is other bytes, or means others"),
    "too_many_readings": ("uninspected", "Content-Type leaves more choices than are tried"),
    "coding_unknown": ("uninspected", "a content coding that we cannot undo"),
    "coding_broken": ("broken", "the body is not of its content coding"),
    "coding_truncated": ("broken", "the compressed body ends too early"),
    "coding_trailing": ("ambiguous", "something follows the compressed body"),
    "deflate_raw": ("ambiguous", "deflate without the zlib header that RFC 9110 asks for"),
    "too_many_codings": ("uninspected", "more content codings than the limit"),
    "inflated_too_large": ("uninspected", "the body is too large when it is not compressed"),
    "ratio_too_high": ("uninspected", "the body is too many times its compressed size"),
    "bad_escape": ("ambiguous", "a % without two hexadecimal digits, which is kept"),
    "semicolon": ("ambiguous", "a ; which some take to separate arguments"),
    "too_many_arguments": ("uninspected", "more arguments than the limit"),
    "cookie_version": ("ambiguous", "$Version or the like: some then read cookies as of RFC 2109"),
    "cookie_quoted": ("unusual", "a value of a cookie in quotes, which some take away"),
    "cookie_quoted_separator": ("ambiguous", "a quote in cookies that does not end before the ;"),
    "unmatched_boundary": ("ambiguous", "the boundary stands where it is no delimiter"),
    "dashed_line": ("unusual", "a line begins with two dashes and is no delimiter"),
    "boundary_quoted": ("unusual", "the boundary is in quotes"),
    "boundary_whitespace": ("ambiguous", "there is white space around the = of the boundary"),
    "missing_semicolon": ("ambiguous", "there is no ; before the boundary"),
    "data_before": ("ambiguous", "something comes before the first delimiter"),
    "data_after": ("ambiguous", "something comes after the last delimiter"),
    "header_folding": ("ambiguous", "a header of a part is continued on the next line"),
    "invalid_header_folding": ("ambiguous", "... by white space that is neither space nor tab"),
    "lf_line": ("ambiguous", "a line of multipart ends in LF without CR"),
    "crlf_lf_lines": ("ambiguous", "some lines of multipart end in LF and some in CRLF"),
    "invalid_quoting": ("ambiguous", "a name has single quotes, or something after its quotes"),
    "invalid_part": ("broken", "a part has no name"),
    "file_limit_exceeded": ("uninspected", "more files than the limit"),
    "boundary_missing": ("broken", "the Content-Type of multipart has no boundary"),
    "boundary_invalid": ("broken", "the boundary is empty, too long or has forbidden characters"),
    "delimiter_missing": ("broken", "the body of multipart has no delimiter"),
    "delimiter_invalid": ("broken", "a delimiter with more in its line than it may have"),
    "final_delimiter_missing": ("broken", "the last part has no end"),
    "part_header_invalid": ("broken", "a header of a part is not NAME: VALUE"),
    "part_header_duplicate": ("broken", "a header of a part comes twice"),
    "disposition_missing": ("broken", "a part has no Content-Disposition"),
    "disposition_invalid": ("broken", "a Content-Disposition cannot be read in one way"),
    "disposition_parameter": ("ambiguous", "a Content-Disposition has an unknown parameter"),
    "filename_extended": ("ambiguous", "filename* or name*, which some read and some do not"),
    "escaped_quote": ("ambiguous", "a quote in a name by backslash, where some end the name"),
    "nested_multipart": ("ambiguous", "a part is a multipart body itself"),
    "transfer_encoding": ("ambiguous", "a part has a Content-Transfer-Encoding that some undo"),
    "part_header_too_long": ("uninspected", "a header of a part is longer than the limit"),
    "too_many_part_headers": ("uninspected", "a part has more headers than the limit"),
    "too_many_parts": ("uninspected", "more parts than the limit"),
    "nested_too_deep": ("uninspected", "multipart in multipart, more often than the limit"),
    "json_malformed": ("broken", "it is no JSON"),
    "json_bad_utf8": ("broken", "JSON that is no UTF-8"),
    "json_bom": ("ambiguous", "JSON that begins with a byte order mark"),
    "json_comment": ("ambiguous", "JSON with a comment"),
    "json_constant": ("ambiguous", "NaN or Infinity in JSON"),
    "json_duplicate_key": ("ambiguous", "an object has a key twice"),
    "json_lone_surrogate": ("ambiguous", "half of a surrogate pair, which some replace"),
    "json_number_imprecise": ("unusual", "a number that floating point does not hold"),
    "json_too_deep": ("uninspected", "JSON is deeper than the limit"),
    "json_name_too_long": ("uninspected", "the keys that lead to a leaf are longer than the limit"),
    "xml_malformed": ("broken", "it is no XML"),
    "xml_entities": ("broken", "XML that declares entities, of which no more is read"),
    "xml_dtd": ("ambiguous", "XML with a document type declaration"),
    "xml_encoding": ("ambiguous", "XML that says to be in something else than UTF-8"),
    "xml_too_deep": ("uninspected", "XML is deeper than the limit"),
    "too_many_values": ("uninspected", "XML has more values than the limit"),
}
"""How bad each is, and what it is."""

REFUSED: Final[dict[Literal["strict", "lenient"], Oddities]] = {
    "strict": frozenset(word for word, (grade, _) in GRADES.items() if grade != "unusual"),
    "lenient": frozenset(word for word, (grade, _) in GRADES.items() if grade == "uninspected"),
}
"""What is refused in each mode. In lenient mode rules judge the rest, and ask for the flags."""

BROKEN: Final[Oddities] = frozenset(
    word for word, (grade, _) in GRADES.items() if grade in ("broken", "uninspected")
)
"""What makes ModSecurity's REQBODY_ERROR 1: who reads on reads something else, or less."""


def sorted_words(words: Iterable[Oddity]) -> tuple[Oddity, ...]:
    """The words in the order of the alphabet, for messages that do not change from run to run."""
    return tuple(sorted(words))
