"""Schemas (gqlparser's parser/schema.go)."""

from typing import Final, NamedTuple

from extauthz.policy.builtins.graphql import nodes
from extauthz.policy.builtins.graphql.lexer import BLOCK_STRING, EOF, NAME, STRING
from extauthz.policy.builtins.graphql.nodes import CommentGroup
from extauthz.policy.builtins.graphql.parser import Parser

_KINDS: Final = {
    "scalar": "SCALAR",
    "type": "OBJECT",
    "interface": "INTERFACE",
    "union": "UNION",
    "enum": "ENUM",
    "input": "INPUT_OBJECT",
}


def parse_schema(text: str) -> nodes.SchemaDocument:
    """The document that `text` is; whether it makes sense is not looked at.

    Raises:
        BuiltinError: it is none.
    """
    return _SchemaParser(text).document()


class _Description(NamedTuple):
    text: str
    comment: CommentGroup | None


class _SchemaParser(Parser):
    def document(self) -> nodes.SchemaDocument:
        document = nodes.SchemaDocument()
        while self.peek().kind != EOF:
            described = self.description()
            token = self.peek()
            if token.kind != NAME:
                raise self.unexpected()
            if token.value in _KINDS:
                document.definitions.append(self.definition(described))
            elif token.value == "schema":
                document.schema.append(self.schema(described))
            elif token.value == "directive":
                document.directives.append(self.directive(described))
            elif token.value != "extend":
                raise self.unexpected()
            elif described.text:
                raise self.unexpected(self.previous)
            else:
                self.extension(document)
        document.comment = self.comment
        return document

    def description(self) -> _Description:
        if self.peek().kind not in (BLOCK_STRING, STRING):
            return _Description("", None)
        comment = self.comment
        return _Description(self.next().value, comment)

    def schema(self, described: _Description) -> nodes.SchemaDefinition:
        comment = self.keyword("schema")
        return self.schema_body(described, comment)

    def schema_body(
        self, described: _Description, comment: CommentGroup | None
    ) -> nodes.SchemaDefinition:
        position = self.position
        directives = self.directives(True)
        types, end = self.some_with_comment("{", "}", self.operation_type)
        return nodes.SchemaDefinition(
            described.text, directives, types, position, described.comment, comment, end
        )

    def operation_type(self) -> nodes.OperationTypeDefinition:
        position, comment = self.position, self.comment
        token = self.next()
        if token.value not in ("query", "mutation", "subscription"):
            raise self.unexpected(token)
        self.expect(":")
        return nodes.OperationTypeDefinition(token.value, self.name(), position, comment)

    def definition(self, described: _Description) -> nodes.Definition:
        word = self.peek().value
        comment = self.keyword(word)
        return self.body(_KINDS[word], described, comment, extends=False)

    def body(
        self, kind: str, described: _Description, comment: CommentGroup | None, extends: bool
    ) -> nodes.Definition:
        """What stands behind the word that says the kind of type."""
        made = nodes.Definition(kind, described.text, position=self.position)
        made.before_description_comment, made.after_description_comment = described.comment, comment
        made.name = self.name()
        if kind == "OBJECT" or (kind == "INTERFACE" and not extends):
            made.interfaces = self.interfaces()
        made.directives = self.directives(not (kind == "INPUT_OBJECT" and extends))
        if kind in ("OBJECT", "INTERFACE"):
            made.fields, made.end_of_definition_comment = self.some_with_comment(
                "{", "}", self.field
            )
        elif kind == "INPUT_OBJECT":
            made.fields, made.end_of_definition_comment = self.some_with_comment(
                "{", "}", self.input_field
            )
        elif kind == "ENUM":
            made.enum_values, made.end_of_definition_comment = self.some_with_comment(
                "{", "}", self.enum_value
            )
        elif kind == "UNION":
            made.types = self.members()
        if extends and not (
            made.interfaces or made.directives or made.fields or made.types or made.enum_values
        ):
            raise self.unexpected()
        return made

    def extension(self, document: nodes.SchemaDocument) -> None:
        comment = self.keyword("extend")
        word, none = self.peek().value, _Description("", None)
        if word == "schema":
            self.keyword(word)
            made = self.schema_body(none, comment)
            if not made.directives and not made.operation_types:
                raise self.unexpected()
            document.schema_extension.append(made)
        elif word in _KINDS:
            self.keyword(word)
            document.extensions.append(self.body(_KINDS[word], none, comment, extends=True))
        else:
            raise self.unexpected()

    def interfaces(self) -> list[str]:
        if self.peek().value != "implements":
            return []
        self.next()
        self.skip("&")
        found = [self.name()]
        while self.skip("&"):
            found.append(self.name())
        return found

    def members(self) -> list[str]:
        """Of a union."""
        if not self.skip("="):
            return []
        self.skip("|")
        found = [self.name()]
        while self.skip("|"):
            found.append(self.name())
        return found

    def field_description(self) -> _Description:
        """Of what stands inside of a type: an empty one has no comment, either."""
        described = self.description()
        return described if described.text else _Description("", None)

    def field(self) -> nodes.FieldDefinition:
        described = self.field_description()
        position, comment = self.position, self.comment
        name = self.name()
        arguments = self.argument_definitions()
        self.expect(":")
        made = nodes.FieldDefinition(described.text, name, arguments, None, self.type())
        made.directives, made.position = self.directives(True), position
        made.before_description_comment, made.after_description_comment = described.comment, comment
        return made

    def argument_definitions(self) -> list[nodes.ArgumentDefinition]:
        return self.some("(", ")", self.argument_definition)

    def argument_definition(self) -> nodes.ArgumentDefinition:
        made = self.input_field()
        return nodes.ArgumentDefinition(
            made.description,
            made.name,
            made.default_value,
            made.type,
            made.directives,
            made.position,
            made.before_description_comment,
            made.after_description_comment,
        )

    def input_field(self) -> nodes.FieldDefinition:
        described = self.field_description()
        position, comment = self.position, self.comment
        name = self.name()
        self.expect(":")
        made = nodes.FieldDefinition(described.text, name, type=self.type(), position=position)
        if self.skip("="):
            made.default_value = self.value(True)
        made.directives = self.directives(True)
        made.before_description_comment, made.after_description_comment = described.comment, comment
        return made

    def enum_value(self) -> nodes.EnumValueDefinition:
        described = self.field_description()
        position, comment = self.position, self.comment
        name = self.name()
        return nodes.EnumValueDefinition(
            described.text, name, self.directives(True), position, described.comment, comment
        )

    def directive(self, described: _Description) -> nodes.DirectiveDefinition:
        comment = self.keyword("directive")
        self.expect("@")
        position, name = self.position, self.name()
        arguments = self.argument_definitions()
        token = self.peek()
        repeatable = token.kind == NAME and token.value == "repeatable"
        if repeatable:
            self.next()
        self.keyword("on")
        self.skip("|")
        locations = [self.location()]
        while self.skip("|"):
            locations.append(self.location())
        return nodes.DirectiveDefinition(
            described.text,
            name,
            arguments,
            locations,
            repeatable,
            position,
            described.comment,
            comment,
        )

    def location(self) -> str:
        token = self.expect(NAME)
        if token.value not in nodes.LOCATIONS:
            raise self.unexpected(token)
        return token.value
