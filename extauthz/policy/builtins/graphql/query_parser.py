"""Queries (gqlparser's parser/query.go)."""

from extauthz.policy.builtins.graphql import nodes
from extauthz.policy.builtins.graphql.errors import syntax_error
from extauthz.policy.builtins.graphql.lexer import EOF, NAME, SPREAD
from extauthz.policy.builtins.graphql.parser import Parser


def parse_query(text: str) -> nodes.QueryDocument:
    """The document that `text` is.

    Raises:
        BuiltinError: it is none.
    """
    return _QueryParser(text).document()


class _QueryParser(Parser):
    def document(self) -> nodes.QueryDocument:
        document = nodes.QueryDocument()
        while self.peek().kind != EOF:
            token = self.peek()
            word = token.value if token.kind == NAME else token.kind
            if word in ("query", "mutation", "subscription", "{"):
                document.operations.append(self.operation())
            elif word == "fragment":
                document.fragments.append(self.fragment_definition())
            else:
                raise self.unexpected()
        return document

    def operation(self) -> nodes.OperationDefinition:
        position, comment = self.position, self.comment
        if self.peek().kind == "{":
            # whose comment gqlparser has forgotten when it makes this
            return nodes.OperationDefinition(
                "query", selection_set=self.selections(), position=position
            )
        operation = self.next().value
        name = self.name() if self.peek().kind == NAME else ""
        variables = self.some("(", ")", self.variable_definition)
        directives = self.directives(False)
        selections = self.selections()
        return nodes.OperationDefinition(
            operation, name, variables, directives, selections, position, comment
        )

    def variable_definition(self) -> nodes.VariableDefinition:
        position, comment = self.position, self.comment
        name = self.variable()
        self.expect(":")
        made = nodes.VariableDefinition(name, self.type(), position=position, comment=comment)
        if self.skip("="):
            made.default_value = self.value(True)
        made.directives = self.directives(False)
        return made

    def selections(self) -> list[nodes.Selection]:
        token = self.peek()
        if token.kind != "{":
            raise syntax_error(f"Expected {{, found {token.kind}", token.position)
        return self.some("{", "}", self.selection)

    def selection(self) -> nodes.Selection:
        return self.fragment() if self.peek().kind == SPREAD else self.field()

    def field(self) -> nodes.Field:
        position, comment = self.position, self.comment
        alias = name = self.name()
        if self.skip(":"):
            name = self.name()
        arguments, directives = self.arguments(False), self.directives(False)
        selections = self.selections() if self.peek().kind == "{" else []
        return nodes.Field(alias, name, arguments, directives, selections, position, comment)

    def fragment(self) -> nodes.Selection:
        self.peek()
        comment = self.comment
        self.expect(SPREAD)
        position, token = self.position, self.peek()
        if token.kind == NAME and token.value != "on":
            name = self.name()
            return nodes.FragmentSpread(name, self.directives(False), position, comment)
        condition = ""
        if token.value == "on":
            self.next()
            condition = self.name()
        directives = self.directives(False)
        return nodes.InlineFragment(condition, directives, self.selections(), position, comment)

    def fragment_definition(self) -> nodes.FragmentDefinition:
        position, comment = self.position, self.comment
        self.keyword("fragment")
        if self.peek().value == "on":
            raise self.unexpected()
        name = self.name()
        variables = self.some("(", ")", self.variable_definition)
        self.keyword("on")
        condition, directives = self.name(), self.directives(False)
        return nodes.FragmentDefinition(
            name, variables, condition, directives, self.selections(), position, comment
        )
