"""Where `$ref` and `$id` of a schema lead (internal/gojsonschema/schemaPool.go).

Nothing is ever loaded: OPA fetches what is not in the schema from files and networks, unless its
capabilities forbid that, as they do here.
"""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urljoin, urlsplit

from extauthz.policy.errors import BuiltinError
from extauthz.policy.values.representation import Value

DRAFT_4, DRAFT_6, DRAFT_7, HYBRID = 4, 6, 7, 1000
"""Versions of the language; `HYBRID` if the schema does not say: a bit of all."""
_DRAFTS: Final = {
    "http://json-schema.org/draft-04/schema": DRAFT_4,
    "http://json-schema.org/draft-06/schema": DRAFT_6,
    "http://json-schema.org/draft-07/schema": DRAFT_7,
}
_LITERAL: Final = ("const", "enum")
_NAMED: Final = ("properties", "dependencies", "patternProperties")
"""Keywords whose values are schemas by name."""


@dataclass(slots=True)
class Document:
    """A schema that a reference can mean."""

    schema: Value
    draft: int | None


def draft_of(schema: Value) -> int | None:
    """The version that `$schema` names."""
    if type(schema) is bool:
        return None
    if type(schema) is not dict:
        raise BuiltinError("schema is invalid")
    found = schema.get("$schema", "")
    if type(found) is not str:
        raise BuiltinError("$schema must be of type string")
    return _DRAFTS.get(found.removesuffix("#"))


def resolve(base: str, reference: str) -> str:
    """`reference`, as seen from the document `base`: Go's `ResolveReference`."""
    try:
        if not reference or reference.startswith("#"):
            found = base.partition("#")[0] + reference
        elif urlsplit(reference).scheme:
            found = reference
        else:
            found = urljoin(base.partition("#")[0], reference)
            if not urlsplit(found).scheme and not found.startswith("/"):
                found = f"/{found}"
    except ValueError as error:
        raise BuiltinError(f"parse {reference!r}: {error}") from None
    return found.removesuffix("#")


class Pool:
    """All that can be referred to, by absolute reference."""

    def __init__(self, root: Value) -> None:
        self.documents: dict[str, Document] = {}
        draft = draft_of(root)
        self.root = self._absolute(root, "", draft)
        """The schema, its references absolute."""
        self.documents[""] = Document(self.root, draft)

    def _absolute(self, schema: Value, base: str, draft: int | None) -> Value:
        if type(schema) is list:
            return [self._absolute(item, base, draft) for item in schema]
        if type(schema) is not dict:
            return schema
        made: dict[Any, Value] = dict(schema)
        name = schema.get("id" if "id" in schema else "$id")
        if type(name) is str:
            base = resolve(base, name)
            if base in self.documents:
                raise BuiltinError(f'Reference already exists: "{base}"')
            self.documents[base] = Document(made, draft)
        if type(schema.get("$ref")) is str:
            made["$ref"] = resolve(base, schema["$ref"])
        for key, value in schema.items():
            if key in _LITERAL or key == "$ref":
                continue
            if key in _NAMED and type(value) is dict:
                made[key] = {n: self._absolute(v, base, draft) for n, v in value.items()}
            elif key not in _NAMED:
                made[key] = self._absolute(value, base, draft)
        return made

    def get(self, reference: str) -> Document:
        """What an absolute reference means.

        Raises:
            BuiltinError: nothing here.
        """
        if reference in self.documents:
            return self.documents[reference]
        document, _, fragment = reference.partition("#")
        known = self.documents.get(document)
        if known is None:
            parts = urlsplit(reference)
            if parts.scheme and (parts.netloc or parts.scheme == "file"):
                raise BuiltinError(f"remote reference loading disabled: {reference}")
            raise BuiltinError(f"Reference {reference} must be canonical")
        found = Document(_pointed(known.schema, unquote(fragment)), known.draft)
        self.documents[reference] = found
        return found


def _pointed(schema: Value, pointer: str) -> Value:
    if not pointer.startswith("/"):
        return schema
    for token in pointer[1:].split("/"):
        if type(schema) is dict:
            key = token.replace("~1", "/").replace("~0", "~")
            if key not in schema:
                raise BuiltinError(f"Object has no key '{key}'")
            schema = schema[key]
        elif type(schema) is list:
            if not token.isascii() or not token.isdigit() or len(token) > 9:
                raise BuiltinError(f"Invalid array index '{token}'")
            if int(token) >= len(schema):
                message = f"Out of bound array[0,{len(schema)}] index '{int(token)}'"
                raise BuiltinError(message)
            schema = schema[int(token)]
        else:
            raise BuiltinError(f"Invalid token reference '{token}'")
    return schema
