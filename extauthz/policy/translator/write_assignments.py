"""Statements that give locals values, and build collections."""

import ast

from extauthz.policy.plan.facts import scalar
from extauthz.policy.plan.ir import Local, Statement
from extauthz.policy.translator import inline, nodes, syntax
from extauthz.policy.translator.writer import Writer, broken, own


def assign_var(w: Writer, statement: Statement, _: Statement | None) -> None:
    """Give a local a value; what is assigned once needs no code where it is another name."""
    target = statement["target"]
    if target in w.facts.constants:
        return
    source = w.value(statement["source"])
    if target in w.facts.aliases or not w.names.reads[target]:
        return
    if w.takes:
        source = syntax.call("copy", source)
    w.flow.emit(syntax.assign(own(target), source))
    settle(w, target)


def assign_once(w: Writer, statement: Statement, _: Statement | None) -> None:
    """Give a rule its value; a second one must be the same."""
    target = statement["target"]
    source = w.defined(statement["source"])
    if target in w.decisive or target == w.decided:
        if w.base:
            raise broken(statement, "inside of iterations that are nested too deeply")
        w.flow.emit(nodes.Return(source))
        w.flow.dead()
        return
    if target in w.once and not any(frame.is_scan for frame in w.flow.frames):
        w.flow.emit(syntax.assign(own(target), source))
        return
    first = syntax.when(
        syntax.is_(syntax.name(own(target)), syntax.UNDEFINED),
        [syntax.assign(own(target), source)],
    )
    what = "functions" if len(w.names.params) > 2 else "complete rules"
    inputs = " for same inputs" if len(w.names.params) > 2 else ""
    message = _conflict(statement, f"{what} must not produce multiple outputs{inputs}")
    checked = syntax.call("once", syntax.name(own(target)), source, message)
    first.orelse = [nodes.Expr(checked)]
    w.flow.emit(first)
    settle(w, target)


def _conflict(statement: Statement, message: str) -> ast.expr:
    """What is said when the statement gives a second value."""
    return syntax.constant(f"{statement.place.file}:{statement.place.line}: {message}")


def settle(w: Writer, target: Local) -> None:
    """Leave the outermost scan that this assignment settles."""
    for frame in w.flow.frames:
        if frame.exit == target:
            w.flow.jump(frame, leave=True)
            return


def reset(w: Writer, statement: Statement, _: Statement | None) -> None:
    """Take the value away."""
    if statement["target"] not in w.decisive:
        w.flow.emit(syntax.assign(own(statement["target"]), syntax.UNDEFINED))


def assign_int(w: Writer, statement: Statement, _: Statement | None) -> None:
    """Give a local an integer."""
    w.flow.emit(syntax.assign(own(statement["target"]), syntax.constant(statement["value"])))


def make(w: Writer, statement: Statement, _: Statement | None) -> None:
    """An empty collection."""
    empty: ast.expr = {
        "MakeArrayStmt": nodes.List([], ast.Load()),
        "MakeObjectStmt": nodes.Dict([], []),
        "MakeSetStmt": syntax.call("Set"),
    }[statement.kind]
    w.flow.emit(syntax.assign(own(statement["target"]), empty))


def make_scalar(w: Writer, statement: Statement, _: Statement | None) -> None:
    """A number or null."""
    value = scalar(statement)
    assert value is not None  # noqa: S101
    w.flow.emit(syntax.assign(own(statement["target"]), w.literal(value[0])))


def append(w: Writer, statement: Statement, _: Statement | None) -> None:
    """Append to an array."""
    array, value = w.value(statement["array"]), w.defined(statement["value"])
    method = nodes.Attribute(array, "append", ast.Load())
    w.flow.emit(nodes.Expr(nodes.Call(method, [value], [])))


def set_add(w: Writer, statement: Statement, _: Statement | None) -> None:
    """Add to a set."""
    value, members = w.defined(statement["value"]), w.value(statement["set"])
    put, slow = syntax.put(members, value, value), nodes.Expr(syntax.call("add", members, value))
    if w.facts.is_constant(statement["value"]):
        is_text = type(w.facts.constant(statement["value"])) is str
        w.flow.emit(put if is_text else slow)
    else:
        either = syntax.when(syntax.fill(inline.IS_TEXT, a=value), [put])
        either.orelse = [slow]
        w.flow.emit(either)


def insert(w: Writer, statement: Statement, _: Statement | None) -> None:
    """Put a field into an object."""
    key, value = w.key(statement["key"]), w.defined(statement["value"])
    if w.copies:
        value = syntax.call("copy", value)
    target = w.value(statement["object"])
    if statement.kind == "ObjectInsertStmt":
        w.flow.emit(syntax.put(target, key, value))
    else:
        message = _conflict(statement, "object keys must be unique")
        once = syntax.call("insert_once", target, key, value, message)
        w.flow.emit(nodes.Expr(once))


def merge(w: Writer, statement: Statement, _: Statement | None) -> None:
    """Lay the virtual document into the base document."""
    merged = syntax.call("merge", w.value(statement["a"]), w.value(statement["b"]))
    w.give(statement["target"], merged)


def result(w: Writer, statement: Statement, _: Statement | None) -> None:
    """Add to the result set."""
    append = nodes.Attribute(syntax.name("results"), "append", ast.Load())
    value = w.defined(statement["value"])
    w.flow.emit(nodes.Expr(nodes.Call(append, [value], [])))


def nop(w: Writer, _statement: Statement, _: Statement | None) -> None:
    """Nothing."""
