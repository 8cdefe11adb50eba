"""Look-ups, comparisons and questions about a value."""

from extauthz.policy.plan.ir import Local, Statement
from extauthz.policy.translator import inline, syntax
from extauthz.policy.translator.writer import Writer


def dot(w: Writer, statement: Statement, following: Statement | None) -> bool:
    """Look a key up."""
    facts, target = w.facts, statement["target"]
    is_known = facts.is_constant(statement["key"])
    path = facts.paths.get(target)
    if is_known and path in facts.hoisted:
        if not is_asked_again(w, target, following):
            w.check(w.hoist_name(path))
        return False
    source = w.value(statement["source"])  # of undefined, `dot` gives undefined
    key = w.defined(statement["key"])
    if is_known:
        stored = facts.resolve(statement["source"]) in facts.stored
        value = w.get(source, facts.constant(statement["key"]), stored)
    elif facts.resolve(statement["source"]) in facts.stored:
        value = syntax.fill(inline.GET_STORED, s=source, k=key, m=syntax.name(w.memo))
    else:
        value = syntax.fill(inline.GET, s=source, k=key)
    w.give(target, value)
    return False


def is_asked_again(w: Writer, target: Local, following: Statement | None) -> bool:
    """Whether the next statement looks into `target` and so finds out if it is undefined."""
    return (
        following is not None
        and following.kind == "DotStmt"
        and following["source"] == target
        and w.facts.paths.get(following["target"]) in w.facts.hoisted
    )


def equal(w: Writer, statement: Statement, _: Statement | None) -> None:
    """`==` and `!=`; against a constant, without a look at types."""
    a, b = statement["a"], statement["b"]
    if w.facts.is_constant(a):
        a, b = b, a
    left, right = w.defined(a), w.defined(b)
    negated = statement.kind == "NotEqualStmt"
    if w.facts.is_constant(b) and not w.facts.is_constant(a):
        known = w.facts.constant(b)
        if known is None or isinstance(known, bool):
            test = syntax.is_not(left, right) if negated else syntax.is_(left, right)
            w.flow.guard(test)
            return
        if isinstance(known, str):
            shape = inline.OTHER_TEXT if negated else inline.SAME_TEXT
            w.flow.guard(syntax.fill(shape, a=left, b=right))
            return
        if isinstance(known, int) and not negated:
            w.flow.guard(syntax.fill(inline.EQUAL_NUMBER, a=left, b=right))
            return
    shape = inline.NOT_EQUAL if negated else inline.EQUAL
    w.flow.guard(syntax.fill(shape, a=left, b=right))


def is_type(w: Writer, statement: Statement, _: Statement | None) -> None:
    """Ask for the type."""
    kind = {"IsArrayStmt": "list", "IsObjectStmt": "dict", "IsSetStmt": "Set"}[statement.kind]
    value = w.value(statement["source"])
    w.flow.guard(syntax.is_(syntax.call("type", value), syntax.name(kind)))


def is_defined(w: Writer, statement: Statement, following: Statement | None) -> None:
    """Go on only with a value."""
    source = statement["source"]
    if source in w.decisive:
        w.flow.dead()
    elif (
        following is None
        or following.kind != "AssignVarOnceStmt"
        or following["source"] != source
        or source == w.decided
    ):
        w.defined(source)  # otherwise the assignment asks


def is_undefined(w: Writer, statement: Statement, _: Statement | None) -> None:
    """Go on only without a value."""
    if statement["source"] == w.decided:
        return  # a rule that had given it a value would have returned
    value = w.value(statement["source"])
    w.flow.guard(syntax.is_(value, syntax.UNDEFINED))


def length(w: Writer, statement: Statement, _: Statement | None) -> None:
    """Count members."""
    value = syntax.call("length", w.defined(statement["source"]))
    w.give(statement["target"], value)
