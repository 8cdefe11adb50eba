"""Operators that are known and not here, each with the reason that a rule's author is told."""

from collections.abc import Mapping
from typing import Final

REFUSED: Final[Mapping[str, str]] = {
    "fuzzyhash": "compares with hashes of ssdeep, a program outside",
    "geolookup": "looks up a database of places; Envoy's geoip filter writes headers with them",
    "gsblookup": "looks up a database of Google's that is no longer published",
    "inspectfile": "runs a program with an uploaded file; files are not written here",
    "rbl": "asks a name server about each request, which would wait for it",
    "rsub": "rewrites bodies, which rules only inspect here",
    "validatedtd": "opens the DTD that a file names; bodies with one are told by REQBODY_ERROR",
    "validatehash": "belongs to the hash engine (SecHashEngine), which rewrites pages",
    "validateschema": "validates whole bodies against a schema file",
}
"""Names in lower case, and what each does that rules cannot do here."""
