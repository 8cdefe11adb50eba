"""`json.marshal_with_options` (v1/topdown/encoding.go): JSON with line ends, as Go indents it."""

from extauthz.policy.builtins import operands
from extauthz.policy.errors import OperandError
from extauthz.policy.values.representation import RegoSet, Value, decode, ordered
from extauthz.policy.values.text import term, to_json


def json_marshal_with_options(value: Value, options: Value) -> str:
    """`json.marshal_with_options(value, {"indent": "  ", "prefix": "", "pretty": true})`.

    An indent or a prefix makes it pretty, unless `pretty` says otherwise.
    """
    given = operands.object_(options, 2)
    for key in ordered(map(decode, given)):
        if key not in ("indent", "prefix", "pretty"):
            raise OperandError(f"operand 2 object contained unknown key {term(key)}")
        expected = bool if key == "pretty" else str
        if type(given[key]) is not expected:
            kind = "bool" if key == "pretty" else "string"
            raise OperandError(f"operand 2 key {term(key)} failed cast to {kind}")
    if not given.get("pretty", bool(given)):
        return to_json(value)
    prefix: str = given.get("prefix", "")
    return prefix + _indented(value, "\n" + prefix, given.get("indent", "\t"))


def _indented(value: Value, line: str, indent: str) -> str:
    """`value`, where `line` is what begins a line at its depth."""
    kind = type(value)
    inner = line + indent
    if kind is RegoSet:
        value, kind = ordered(value.values()), list
    if not value or kind not in (list, dict):
        return to_json(value)
    if kind is list:
        parts = [_indented(item, inner, indent) for item in value]
        return "[" + inner + ("," + inner).join(parts) + line + "]"
    named = sorted(
        (key if type(key) is str else to_json(decode(key)), item) for key, item in value.items()
    )
    parts = [f"{to_json(name)}: {_indented(item, inner, indent)}" for name, item in named]
    return "{" + inner + ("," + inner).join(parts) + line + "}"
