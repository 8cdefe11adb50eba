"""Reads Go's templates (text/template/parse), as much of them as `templates` renders."""

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias

from extauthz.policy.errors import BuiltinError, RegoError

ARITY: Final = {
    "and": (1, 99), "or": (1, 99), "not": (1, 1), "eq": (1, 99), "ne": (2, 2), "lt": (2, 2),
    "le": (2, 2), "gt": (2, 2), "ge": (2, 2), "len": (1, 1), "index": (1, 99),
}  # fmt: skip
"""Functions that are rendered, and how many operands they take."""
_OTHER_FUNCTIONS: Final = ("call", "html", "js", "print", "printf", "println", "slice", "urlquery")
_OTHER_WORDS: Final = ("block", "break", "continue", "define", "template")
_COMMENT: Final = re.compile(r"/\*.*?\*/(?=(?:[ \t\r\n]-)?\}\})", re.DOTALL)
_SPACE: Final = " \t\r\n"
_TOKEN: Final = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<string>\"(?:[^\"\\\n]|\\[\\\"ntr])*\"|`[^`]*`)"
    r"|(?P<number>[+-]?(?:0|[1-9][0-9]{0,17})(?![0-9A-Za-z_.]))"
    r"|(?P<variable>\$[A-Za-z0-9_]*)(?P<inside>(?:\.[A-Za-z_][A-Za-z0-9_]*)*)(?![A-Za-z0-9_.])"
    r"|(?P<field>(?:\.[A-Za-z_][A-Za-z0-9_]*)+|\.(?![0-9]))(?![A-Za-z0-9_.])"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)(?![A-Za-z0-9_.])"
    r"|(?P<sign>:=|[=|(),])",
    re.ASCII,
)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


class Operand(NamedTuple):
    """`.a.b`, `$x.a`, a literal, `(pipeline)`, or the name of a function."""

    kind: str
    value: Any = None
    fields: tuple[str, ...] = ()


Command: TypeAlias = list[Operand]


class Pipeline(NamedTuple):
    """`$x := a | f b`."""

    names: tuple[str, ...]
    """Variables that it sets."""
    assigns: bool
    """They are known: `=`."""
    commands: list[Command]


class Action(NamedTuple):
    """`{{pipeline}}`."""

    pipeline: Pipeline


class Branch(NamedTuple):
    """`{{if}}`, `{{range}}` or `{{with}}`."""

    word: str
    pipeline: Pipeline
    body: "list[Node]"
    otherwise: "list[Node]"


Node: TypeAlias = str | Action | Branch


@lru_cache(maxsize=64)
def parse_template(source: str) -> list[Node]:
    """The nodes of a template.

    Raises:
        BuiltinError: it is none.
        RegoError: it has what is not rendered here.
    """
    parser = _Parser(source)
    nodes, ending = parser.nodes()
    if ending:
        _fail(f"unexpected {{{{{ending}}}}}")
    return nodes


def _fail(message: str) -> NoReturn:
    raise BuiltinError(f"template: template: {message}")


def _refuse(what: str) -> NoReturn:
    raise RegoError("rego_builtin", f"strings.render_template: {what} is not supported")


def _pieces(source: str) -> list[tuple[bool, str]]:
    """Texts and insides of actions (True), trimmed, without comments."""
    found: list[tuple[bool, str]] = []
    at, trim = 0, False
    while True:
        start = source.find("{{", at)
        text = source[at:] if start < 0 else source[at:start]
        text = text.lstrip(_SPACE) if trim else text
        if start < 0:
            return [*found, (False, text)]
        inner = start + 2
        if source.startswith("-", inner) and source[inner + 1 : inner + 2].strip(_SPACE) == "":
            text = text.rstrip(_SPACE)
            inner += 2
        found.append((False, text))
        comment = _COMMENT.match(source, inner)
        if comment is None and source.startswith("/*", inner):
            _fail("unclosed comment")
        end = comment.end() if comment else _end(source, inner)
        close = source.find("}}", end)
        if close < 0:
            _fail("unclosed action")
        body = source[inner:close]
        trim = len(body) > 1 and body[-1] == "-" and body[-2] in _SPACE
        if not comment:
            found.append((True, body[:-2] if trim else body))
        at = close + 2


def _end(source: str, at: int) -> int:
    """Where an action ends: `}}` outside of strings."""
    while at < len(source) and not source.startswith("}}", at):
        char = source[at]
        if char in '"`':
            token = _TOKEN.match(source, at)
            if token is None or not token["string"]:
                _refuse("a string with such escapes")
            at = token.end()
        else:
            at += 1
    return at


class _Parser:
    def __init__(self, source: str) -> None:
        self.pieces = iter(_pieces(source))
        self.known = ["$"]
        self.tokens: list[re.Match[str]] = []
        self.at = 0

    def nodes(self) -> tuple[list[Node], str]:
        """Nodes until `end` or `else`, and that word; its tokens are ahead."""
        nodes: list[Node] = []
        for is_action, text in self.pieces:
            if not is_action:
                if text:
                    nodes.append(text)
                continue
            self.tokens, self.at = _tokens(text), 0
            word = self.peek("word")
            if word in ("end", "else"):
                self.at += 1
                return nodes, word
            if word in _OTHER_WORDS:
                _refuse(word)
            if word in ("if", "range", "with"):
                self.at += 1
                nodes.append(self.branch(word))
            else:
                nodes.append(Action(self.pipeline(True)))
        return nodes, ""

    def branch(self, word: str) -> Branch:
        scope = len(self.known)
        pipeline = self.pipeline(True, ranges=word == "range")
        body, ending = self.nodes()
        otherwise: list[Node] = []
        if ending == "else":
            again = self.peek("word")
            if again:
                if again != word or word == "range":
                    _fail(f"unexpected <{again}> in else")
                self.at += 1
                otherwise = [self.branch(word)]
                ending = "end"
            else:
                self.finish()
                otherwise, ending = self.nodes()
        if ending != "end":
            _fail(f"unexpected {ending or 'EOF'}")
        if self.at < len(self.tokens):
            _fail("unexpected token in end")
        del self.known[scope:]
        return Branch(word, pipeline, body, otherwise)

    def finish(self) -> None:
        if self.at < len(self.tokens):
            _fail(f"unexpected {self.tokens[self.at][0]} in command")

    def peek(self, group: str, ahead: int = 0) -> str:
        at = self.at + ahead
        found = self.tokens[at][group] if at < len(self.tokens) else None
        return found or ""

    def pipeline(self, whole: bool, ranges: bool = False) -> Pipeline:
        names: list[str] = []
        assigns = False
        pair = ranges and self.peek("sign", 1) == ","
        sign = self.peek("sign", 3 if pair else 1)
        if self.peek("variable") and sign in (":=", "="):
            names = [self.peek("variable")] + ([self.peek("variable", 2)] if pair else [])
            if not all(len(name) > 1 for name in names) or self.tokens[self.at]["inside"]:
                _fail("unexpected declaration")
            self.at += 4 if pair else 2
            assigns = sign == "="
            if assigns and (ranges or names[0] not in self.known):
                if ranges:
                    _refuse("range with =")
                _fail(f'undefined variable "{names[0]}"')
        commands = [self.command()]
        while self.peek("sign") == "|":
            self.at += 1
            if self.at == len(self.tokens):
                _refuse("a pipeline without an end")
            commands.append(self.command())
            if commands[-1][0].kind != "function":
                _fail(f"non executable command in pipeline stage {len(commands)}")
        for at, command in enumerate(commands):
            if command[0].kind == "function":
                low, high = ARITY[command[0].value]
                if not low <= len(command) - 1 + (at > 0) <= high:
                    _refuse(f"a wrong number of operands of {command[0].value}")
        if whole:
            self.finish()
        if not assigns:
            self.known += names
        return Pipeline(tuple(names), assigns, commands)

    def command(self) -> Command:
        found: Command = []
        while self.at < len(self.tokens) and self.peek("sign") not in ("|", ")"):
            if found and self.tokens[self.at - 1].end() == self.tokens[self.at].start():
                _fail("operands without a space between")
            found.append(self.operand(not found))
        if not found:
            _fail("missing value for command")
        return found

    def operand(self, first: bool) -> Operand:
        token = self.tokens[self.at]
        self.at += 1
        if token["string"]:
            return Operand("literal", _unquoted(token["string"]))
        if token["number"]:
            return Operand("literal", int(token["number"]))
        if token["field"]:
            return Operand(
                "field",
                None,
                tuple(token["field"].split(".")[1:] if len(token["field"]) > 1 else ()),
            )
        if token["variable"]:
            if token["variable"] not in self.known:
                _fail(f'undefined variable "{token["variable"]}"')
            return Operand("variable", token["variable"], tuple(token["inside"].split(".")[1:]))
        if token["sign"] == "(":
            inner = self.pipeline(False)
            if self.peek("sign") != ")":
                _fail("unclosed left paren")
            self.at += 1
            if (
                self.peek("field")
                and self.tokens[self.at - 1].end() == self.tokens[self.at].start()
            ):
                _refuse("a field of a parenthesis")
            return Operand("pipeline", inner)
        return self.word(token, first)

    def word(self, token: re.Match[str], first: bool) -> Operand:
        name = token["word"]
        if name in ("true", "false"):
            return Operand("literal", name == "true")
        if name == "nil" or name in _OTHER_FUNCTIONS:
            _refuse(name)
        if not name or name in ("if", "range", "with", "else", "end"):
            _fail(f"unexpected {token[0]} in operand")
        if name not in ARITY:
            _fail(f'function "{name}" not defined')
        if not first:
            _refuse(f"{name} as an operand")
        return Operand("function", name)


def _tokens(text: str) -> list[re.Match[str]]:
    found = []
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            _refuse(f"{text[at : at + 10]!r}")
        if not token["space"]:
            found.append(token)
        at = token.end()
    return found


def _unquoted(text: str) -> str:
    if text[0] == "`":
        return text[1:-1]
    return re.sub(r"\\(.)", lambda found: _ESCAPES[found[1]], text[1:-1])
