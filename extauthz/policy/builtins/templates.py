"""`strings.render_template` (v1/topdown/template.go): Go's `text/template`, as policies use it.

There are actions, `if`, `range`, `with`, variables, pipelines and the functions of `_FUNCTIONS`.
The rest (named templates, `printf`, fractions, ...) stops the evaluation instead of giving another
text. Numbers of a policy are `json.Number`s there, whose kind is string: `if 0` is true.
"""

from collections.abc import Callable
from typing import Any, Final

from extauthz.policy.builtins import operands
from extauthz.policy.builtins.template_parser import (
    Action,
    Branch,
    Command,
    Node,
    Operand,
    Pipeline,
    parse_template,
)
from extauthz.policy.errors import BuiltinError, RegoError
from extauthz.policy.values.numbers import number_text
from extauthz.policy.values.representation import Value, is_number
from extauthz.policy.values.text import go_bytes

MAX_STEPS: Final = 100_000
"""Nodes rendered: ranges in ranges multiply."""
MAX_OUTPUT: Final = 1_000_000
"""Characters."""


class _Number(str):
    """A number of the policy: Go's `json.Number`."""


class _Nothing:
    """What a missing key gives; prints as OPA's `<undefined>`."""


_NOTHING: Final = _Nothing()


def render_template(template: Value, variables: Value) -> str:
    """`strings.render_template(template, variables)`."""
    source = operands.string(template, 1)
    root = _decoded(operands.object_(variables, 2))
    renderer = _Renderer(root)
    renderer.nodes(parse_template(source), root)
    return "".join(renderer.parts).replace("<no value>", "<undefined>")


def _decoded(value: Value) -> Any:
    if is_number(value):
        return _Number(number_text(value))
    if type(value) is list:
        return [_decoded(item) for item in value]
    if type(value) is dict:
        if any(type(name) is not str for name in value):
            raise BuiltinError("invalid character in the variables of a template")
        return {name: _decoded(item) for name, item in value.items()}
    if value is None or type(value) in (str, bool):
        return value
    raise BuiltinError("invalid character in the variables of a template")


class _Renderer:
    def __init__(self, root: Any) -> None:
        self.variables: list[tuple[str, Any]] = [("$", root)]
        self.parts: list[str] = []
        self.steps = self.length = 0

    def nodes(self, nodes: list[Node], dot: Any) -> None:
        for node in nodes:
            self.steps += 1
            if isinstance(node, str):
                self.write(node)
            elif isinstance(node, Action):
                value = self.pipeline(node.pipeline, dot)
                if not node.pipeline.names:
                    self.write(_printed(value))
            else:
                self.branch(node, dot)

    def write(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)
        if self.steps > MAX_STEPS or self.length > MAX_OUTPUT:
            raise RegoError("rego_range", "a template that renders too much")

    def branch(self, node: Branch, dot: Any) -> None:
        mark = len(self.variables)
        if node.word == "range":
            self.range(node, dot)
        else:
            value = self.pipeline(node.pipeline, dot)
            if _truth(value):
                self.nodes(node.body, value if node.word == "with" else dot)
            else:
                self.nodes(node.otherwise, dot)
        del self.variables[mark:]

    def range(self, node: Branch, dot: Any) -> None:
        value = self.pipeline(node.pipeline, dot, declare=False)
        if type(value) is list:
            pairs: list[tuple[Any, Any]] = list(enumerate(value))
        elif type(value) is dict:
            pairs = [(name, value[name]) for name in sorted(value)]
        elif value is None or value is _NOTHING:
            pairs = []
        else:
            raise BuiltinError(f"range can't iterate over {_printed(value)[:80]}")
        names = node.pipeline.names
        for key, item in pairs:
            mark = len(self.variables)
            if len(names) == 2:
                self.variables += [(names[0], key), (names[1], item)]
            elif names:
                self.variables.append((names[0], item))
            self.nodes(node.body, item)
            del self.variables[mark:]
        if not pairs:
            self.nodes(node.otherwise, dot)

    def pipeline(self, pipeline: Pipeline, dot: Any, declare: bool = True) -> Any:
        value: Any = None
        for at, command in enumerate(pipeline.commands):
            value = self.command(command, dot, [value] if at else [])
        if declare and pipeline.names:
            name = pipeline.names[0]
            if pipeline.assigns:
                places = [i for i, (known, _) in enumerate(self.variables) if known == name]
                self.variables[places[-1]] = (name, value)
            else:
                self.variables.append((name, value))
        return value

    def command(self, command: Command, dot: Any, piped: list[Any]) -> Any:
        first, *others = command
        if first.kind == "function":
            if first.value in ("and", "or"):
                return self.logical(first.value, others, dot, piped)
            arguments = [self.operand(each, dot) for each in others] + piped
            return _FUNCTIONS[first.value](*arguments)
        if others or piped:
            raise BuiltinError("can't give argument to non-function")
        return self.operand(first, dot)

    def logical(self, word: str, others: list[Operand], dot: Any, piped: list[Any]) -> Any:
        value: Any = None
        if not others and not piped:
            raise BuiltinError(f"wrong number of args for {word}")
        for each in others:
            value = self.operand(each, dot)
            if _truth(value) == (word == "or"):
                return value
        return piped[0] if piped else value

    def operand(self, operand: Operand, dot: Any) -> Any:
        if operand.kind == "literal":
            return operand.value
        if operand.kind == "pipeline":
            return self.pipeline(operand.value, dot)
        if operand.kind == "function":
            return self.command([operand], dot, [])
        value = dot
        if operand.kind == "variable":
            value = next(v for name, v in reversed(self.variables) if name == operand.value)
        for name in operand.fields:
            value = _field(value, name)
        return value


def _field(value: Any, name: str) -> Any:
    if value is _NOTHING:
        return value
    if type(value) is not dict:
        raise BuiltinError(f"can't evaluate field {name}")
    return value.get(name, _NOTHING)


def _truth(value: Any) -> bool:
    return value is not _NOTHING and bool(value)


def _printed(value: Any, inside: bool = False) -> str:
    if value is None or value is _NOTHING:
        return "<nil>" if inside else "<no value>"
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is list:
        return "[" + " ".join(_printed(item, True) for item in value) + "]"
    if type(value) is dict:
        pairs = (f"{name}:{_printed(value[name], True)}" for name in sorted(value))
        return "map[" + " ".join(pairs) + "]"
    return str(value)


def _kind(value: Any) -> type:
    kind = str if isinstance(value, str) else type(value)
    if kind not in (bool, int, str):
        raise RegoError("rego_builtin", "a template that compares what is no scalar")
    return kind


def _eq(first: Any, *others: Any) -> bool:
    if not others:
        raise BuiltinError("missing argument for comparison")
    for other in others:
        if _kind(first) is not _kind(other):
            raise BuiltinError("incompatible types for comparison")
        if first == other:
            return True
    return False


def _ne(first: Any, other: Any) -> bool:
    return not _eq(first, other)


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(first: Any, other: Any) -> bool:
        if _kind(first) is not _kind(other) or _kind(first) is bool:
            raise BuiltinError("incompatible types for comparison")
        return test(first, other)

    return compare


def _len(value: Any) -> int:
    if isinstance(value, str):
        return len(go_bytes(value))
    if type(value) not in (list, dict):
        raise BuiltinError("len of what has none")
    return len(value)


def _index(value: Any, *keys: Any) -> Any:
    if value is _NOTHING or value is None:
        raise BuiltinError("error calling index: index of untyped nil")
    for key in keys:
        if type(value) is list and type(key) is int:
            if not 0 <= key < len(value):
                raise BuiltinError(f"error calling index: index out of range: {key}")
        elif type(value) is not dict or type(key) is not str:
            raise BuiltinError("error calling index: cannot index")
        elif key not in value:
            raise RegoError("rego_builtin", "index of a key that is not there, in a template")
        value = value[key]
    return value


_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "eq": _eq,
    "ge": _ordered(lambda a, b: a >= b),
    "gt": _ordered(lambda a, b: a > b),
    "index": _index,
    "le": _ordered(lambda a, b: a <= b),
    "len": _len,
    "lt": _ordered(lambda a, b: a < b),
    "ne": _ne,
    "not": lambda value: not _truth(value),
}
