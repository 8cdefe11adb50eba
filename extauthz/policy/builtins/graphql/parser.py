"""What parsing queries and schemas has in common (gqlparser's parser/parser.go).

The first mistake ends it; nesting is bounded by Python's recursion, which ends in a denial.
"""

from collections.abc import Callable
from typing import TypeVar

from extauthz.policy.builtins.graphql import lexer, nodes
from extauthz.policy.builtins.graphql.errors import syntax_error
from extauthz.policy.builtins.graphql.lexer import EOF, INVALID, NAME, Lexer, Token
from extauthz.policy.builtins.graphql.nodes import CommentGroup, Position
from extauthz.policy.errors import BuiltinError
from extauthz.policy.values.text import quoted

T = TypeVar("T")

_KINDS = {
    lexer.INT: nodes.INT,
    lexer.FLOAT: nodes.FLOAT,
    lexer.STRING: nodes.STRING,
    lexer.BLOCK_STRING: nodes.BLOCK,
}


class Parser:
    """Looks one token ahead, and keeps the comments before it."""

    def __init__(self, text: str) -> None:
        self.lexer = Lexer(text)
        self.ahead: Token | None = None
        self.previous = Token(EOF, "", Position(1, 1))
        self.comment: CommentGroup | None = None
        """Stands before the token ahead."""

    def peek(self) -> Token:
        """The token ahead; an invalid one is refused when it is taken."""
        if self.ahead is None:
            self.ahead = self.lexer.read()
            comments = []
            while self.ahead.kind == lexer.COMMENT:
                comments.append(nodes.Comment(self.ahead.value))
                self.ahead = self.lexer.read()
            if comments:
                self.comment = CommentGroup(comments)
        return self.ahead

    @property
    def position(self) -> Position:
        """Where the token ahead is."""
        return self.peek().position

    def next(self) -> Token:
        """Take the token ahead."""
        token = self.peek()
        if token.kind == INVALID:
            raise syntax_error(token.error, token.position)
        self.ahead = self.comment = None
        self.previous = token
        return token

    def unexpected(self, token: Token | None = None) -> BuiltinError:
        """The token (or that ahead) must not stand here."""
        found = token or self.peek()
        return syntax_error(f"Unexpected {found}", found.position)

    def keyword(self, word: str) -> CommentGroup | None:
        """Take this word; gives the comments before it."""
        token, comment = self.peek(), self.comment
        if (token.kind, token.value) != (NAME, word):
            raise syntax_error(f"Expected {quoted(word)}, found {token}", token.position)
        self.next()
        return comment

    def expect(self, kind: str) -> Token:
        """Take a token of this kind."""
        token = self.peek()
        if token.kind != kind:
            raise syntax_error(f"Expected {kind}, found {token.kind}", token.position)
        return self.next()

    def skip(self, kind: str) -> bool:
        """Take a token of this kind, if it is there."""
        found = self.peek().kind == kind
        if found:
            self.next()
        return found

    def name(self) -> str:
        """Take a name."""
        return self.expect(NAME).value

    def many(self, start: str, end: str, one: Callable[[], T]) -> list[T]:
        """`start`, some or none, `end`."""
        self.expect(start)
        items = []
        while self.peek().kind != end:
            items.append(one())
        self.next()
        return items

    def some(self, start: str, end: str, one: Callable[[], T]) -> list[T]:
        """`start`, at least one, `end`; or nothing at all."""
        return self.some_with_comment(start, end, one)[0]

    def some_with_comment(
        self, start: str, end: str, one: Callable[[], T]
    ) -> tuple[list[T], CommentGroup | None]:
        """As `some`, with the comments before `end`."""
        if not self.skip(start):
            return [], None
        items = []
        while self.peek().kind != end:
            items.append(one())
        if not items:
            token = self.peek()
            message = f"expected at least one definition, found {token.kind}"
            raise syntax_error(message, token.position)
        comment = self.comment
        self.next()
        return items, comment

    def directives(self, constant: bool) -> list[nodes.Directive]:
        """`@a @b(c: 1)`; whether `constant`: without variables."""
        found = []
        while self.skip("@"):
            position = self.position
            found.append(nodes.Directive(self.name(), self.arguments(constant), position))
        return found

    def arguments(self, constant: bool) -> list[nodes.Argument]:
        """`(a: 1, b: $c)`, or nothing."""
        return self.some("(", ")", lambda: self.argument(constant))

    def argument(self, constant: bool) -> nodes.Argument:
        """`a: 1`."""
        position, comment = self.position, self.comment
        name = self.name()
        self.expect(":")
        return nodes.Argument(name, self.value(constant), position, comment)

    def variable(self) -> str:
        """`$name`."""
        self.expect("$")
        return self.name()

    def value(self, constant: bool) -> nodes.Value:
        """A literal, or a variable."""
        token, comment = self.peek(), self.comment
        position = token.position
        if token.kind == "[":
            items = self.many("[", "]", lambda: nodes.ChildValue(value=self.value(constant)))
            return nodes.Value("", items, nodes.LIST, position, comment)
        if token.kind == "{":
            items = self.many("{", "}", lambda: self.object_field(constant))
            return nodes.Value("", items, nodes.OBJECT, position, comment)
        if token.kind == "$" and not constant:
            return nodes.Value(self.variable(), [], nodes.VARIABLE, position)
        if token.kind == NAME:
            kind = nodes.BOOLEAN if token.value in ("true", "false") else nodes.ENUM
            kind = nodes.NULL if token.value == "null" else kind
        elif token.kind in _KINDS:
            kind = _KINDS[token.kind]
        else:
            raise self.unexpected()
        # of these and of a variable, gqlparser has forgotten the comment when it makes the value
        return nodes.Value(self.next().value, [], kind, position)

    def object_field(self, constant: bool) -> nodes.ChildValue:
        """`a: 1` of an object."""
        position, comment = self.position, self.comment
        name = self.name()
        self.expect(":")
        return nodes.ChildValue(name, self.value(constant), position, comment)

    def type(self) -> nodes.Type:
        """`[Name!]!`."""
        if self.skip("["):
            position = self.position
            made = nodes.Type(elem=self.type(), position=position)
            self.expect("]")
        else:
            position = self.position
            made = nodes.Type(self.name(), position=position)
        made.non_null = self.skip("!")
        return made
