"""Blocks, jumps, negation, `with` and iteration."""

import ast
from collections import Counter

from extauthz.policy.plan.changes import MAKERS
from extauthz.policy.plan.ir import CHANGES, Local, Statement, walk
from extauthz.policy.translator import nodes, syntax
from extauthz.policy.translator.early import settled_by
from extauthz.policy.translator.spending import UNCOUNTED, credit
from extauthz.policy.translator.writer import MAX_LOOPS, Writer, broken, own


def block_stmt(w: Writer, statement: Statement, _: Statement | None) -> None:
    """Blocks one after the other."""
    for block in statement["blocks"]:
        w.block(block)


def break_stmt(w: Writer, statement: Statement, _: Statement | None) -> None:
    """Leave blocks."""
    leave(w, statement, statement["index"])


def leave(w: Writer, statement: Statement, depth: int) -> None:
    """Go to the end of the block that is `depth` blocks out."""
    frames = w.flow.frames
    if depth >= len(frames) or any(frame.is_scan for frame in frames[len(frames) - depth :]):
        raise broken(statement, "jumps out of an iteration, or further than there are blocks")
    if depth == 0:
        w.flow.dead()
    else:
        w.flow.jump(frames[-1 - depth])


def return_local(w: Writer, statement: Statement, _: Statement | None) -> None:
    """End the function."""
    if w.base:
        raise broken(statement, "inside of iterations that are nested too deeply")
    decided = statement["source"] == w.decided
    value = syntax.UNDEFINED if decided else w.value(statement["source"])
    w.flow.emit(nodes.Return(value))
    w.flow.dead()


def not_stmt(w: Writer, statement: Statement, _: Statement | None) -> None:
    """Go on only if the block does not reach its end."""
    flag = w.flow.fresh("n")
    w.flow.emit(syntax.assign(flag, syntax.TRUE))
    w.block(statement["block"], success=syntax.assign(flag, syntax.FALSE))
    w.flow.guard(syntax.name(flag))


def with_stmt(w: Writer, statement: Statement, _: Statement | None) -> None:
    """A block with another input or data, and so with a memo of its own."""
    flow = w.flow
    value = w.value(statement["value"])
    if statement["path"]:
        value = w.defined(statement["value"])
        path = nodes.Tuple([syntax.constant(part) for part in statement["path"]], ast.Load())
        value = syntax.call("upsert", w.value(statement["local"]), path, value)
    replaced = statement["local"] != w.names.params[0]
    memo, outer = flow.fresh("m"), w.memo
    forked = (syntax.constant(replaced), syntax.constant(w.program.steps))
    done = flow.fresh("w")
    flow.emit(
        syntax.assign(own(statement["inner"]), value),
        syntax.assign(memo, syntax.call("fork", syntax.name(outer), *forked)),
        syntax.assign(done, syntax.FALSE),
    )
    w.memo = memo
    w.block(statement["block"], success=syntax.assign(done, syntax.TRUE))
    w.memo = outer
    flow.emit(nodes.Assign([credit(syntax.name(outer), ast.Store())], credit(syntax.name(memo))))
    flow.guard(syntax.name(done))


def scan(w: Writer, statement: Statement, _: Statement | None) -> None:
    """A block for each member of a collection."""
    flow = w.flow
    source = w.defined(statement["source"])
    before = flow.body
    assert before is not None  # noqa: S101
    key, value = statement["key"], statement["value"]
    names = [own(local) if w.names.reads[local] else None for local in (key, value)]
    ordered = is_order_seen(w, statement)
    target, items = _iteration(w, source, names[0], names[1], ordered)
    body: list[ast.stmt] = []
    if names[0]:
        body.append(_decoded(names[0]))
    loop = nodes.For(target, items, body, [])
    leave = settled_by(statement, w.names, w.facts) if w.early else None
    base = w.base
    is_deep = flow.loops() - base >= MAX_LOOPS
    if is_deep:
        w.base = flow.loops()
    at = len(before)
    checked, flow.checked = flow.checked, set(flow.checked)
    frame = flow.open(is_loop=True, is_scan=True, leave=leave)
    flow.body = body
    w.statements(statement["block"])
    flow.frames.pop()
    if not body:
        body.append(nodes.Pass())
    w.base = base
    flow.checked = checked
    if is_deep:
        outline(w, statement, loop, before)
    else:
        before.append(loop)
    flow.passed(frame, before, at)


def outline(w: Writer, statement: Statement, loop: ast.For, before: list[ast.stmt]) -> None:
    """Put a scan into a function of its own, which shares the locals of this one."""
    outer = w.flow.fresh("scan")
    inside: Counter[Local] = Counter()
    written: set[Local] = set()
    for inner in [statement, *walk([statement["block"]])]:
        inside.update(inner.named())
        written.update(inner.writes())
    shared = sorted(own(local) for local in written if inside[local] < w.names.occurrences[local])
    body: list[ast.stmt] = [nodes.Nonlocal(shared)] if shared else []
    before.append(syntax.function(outer, [], [*body, loop]))
    before.append(nodes.Expr(syntax.call(outer)))


def is_order_seen(w: Writer, scan: Statement) -> bool:
    """Whether what the scan leaves behind depends on the order of its rounds (an array)."""
    made: set[Local] = set()
    grown: set[Local] = set()
    for statement in walk([scan["block"]]):
        if statement.kind in MAKERS:
            made.add(statement["target"])
        elif statement.kind in ("ArrayAppendStmt", "ObjectInsertStmt"):
            grown.add(statement[CHANGES[statement.kind]])
        elif (
            statement.kind == "AssignVarStmt"
            and statement["target"] not in w.names.single
            and not w.facts.is_constant(statement["source"])
        ):
            return True
    return bool(grown - made)


def _iteration(
    w: Writer, source: ast.expr, key: str | None, value: str | None, ordered: bool
) -> tuple[ast.expr, ast.expr]:
    """The target and the iterable of a `for` over a collection; its rounds are paid for."""
    prefix = "ordered_" if ordered else ""
    memo = syntax.name(w.memo)
    if key is not None:
        pair = [nodes.Name(key, ast.Store()), nodes.Name(value or "unused", ast.Store())]
        return nodes.Tuple(list(pair), ast.Store()), syntax.call(f"{prefix}pairs_of", source, memo)
    target = nodes.Name(value or "unused", ast.Store())
    is_list = syntax.is_(syntax.call("type", source), syntax.name("list"))
    call = syntax.call(f"{prefix}items_of", source, memo)
    # a function with arguments may be called by an iteration
    depth = sum(frame.is_scan for frame in w.flow.frames) + (len(w.names.params) > 2)
    if depth < len(UNCOUNTED):
        size = syntax.call("len", source)
        is_few = nodes.Compare(size, [ast.LtE()], [syntax.constant(UNCOUNTED[depth])])
        return target, nodes.IfExp(nodes.BoolOp(ast.And(), [is_list, is_few]), source, call)
    items, left = w.flow.fresh("i"), w.flow.fresh("c")
    rest = nodes.BinOp(credit(memo), ast.Sub(), syntax.call("len", source))
    is_enough = nodes.Compare(syntax.bind(left, rest), [ast.GtE()], [syntax.constant(0)])
    # a call instead of these lines would cost twice as much
    paid = syntax.when(
        nodes.BoolOp(ast.And(), [is_list, is_enough]),
        [
            nodes.Assign([credit(memo, ast.Store())], syntax.name(left)),
            syntax.assign(items, source),
        ],
    )
    paid.orelse = [syntax.assign(items, call)]
    w.flow.emit(paid)
    return target, syntax.name(items)


def _decoded(key: str) -> ast.stmt:
    """Keys of objects and sets are encoded (see `values`)."""
    is_text = syntax.is_not(syntax.call("type", syntax.name(key)), syntax.name("str"))
    return syntax.when(is_text, [syntax.assign(key, syntax.call("decode", syntax.name(key)))])
