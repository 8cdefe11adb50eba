"""Rules that are found by an index: a loop over those that were found, and a tree of `if`s."""

import ast
from typing import TYPE_CHECKING

from extauthz.policy.translator import nodes, syntax
from extauthz.policy.translator.index import (
    Group,
    Indexed,
    Unit,
    equality_table,
    prefix_tables,
)

if TYPE_CHECKING:
    from extauthz.policy.translator.writer import Writer


def write_indexed(w: "Writer", indexed: Indexed) -> None:
    """Write the rules: those that must all be tried, then those that are found.

    The loop is no frame: a rule has no jump to its outside but `return`.
    """
    flow = w.flow
    for unit in indexed.always:
        for block in unit:
            w.block(block)
    if flow.body is None:
        return
    rule = flow.fresh("r")
    for group in indexed.groups:
        w.note_asked(group.local)
    looked_up = [_found(w, group) for group in indexed.groups]
    found = looked_up[0]
    if len(looked_up) > 1:
        found = nodes.Tuple([nodes.Starred(each, ast.Load()) for each in looked_up], ast.Load())
    start = flow.body
    leaves: list[tuple[int, list[ast.stmt]]] = []
    for number, unit in indexed.found.items():
        flow.body = []
        leaves.append((number, flow.body))
        _write(w, unit)
    start.append(nodes.For(nodes.Name(rule, ast.Store()), found, _tree(rule, leaves), []))
    flow.body = start


def _write(w: "Writer", unit: Unit) -> None:
    for block in unit:
        w.block(block)


def _found(w: "Writer", group: Group) -> ast.expr:
    value = w.value(group.local)
    if group.is_prefix:
        return syntax.call("prefixed_rules", w.shared_constant(prefix_tables(group)), value)
    return syntax.call("equal_rules", w.shared_constant(equality_table(group)), value)


def _tree(rule: str, leaves: list[tuple[int, list[ast.stmt]]]) -> list[ast.stmt]:
    """Binary search of the rule's number among the leaves."""
    if len(leaves) == 1:
        return leaves[0][1] or [nodes.Pass()]
    middle = len(leaves) // 2
    is_less = nodes.Compare(syntax.name(rule), [ast.Lt()], [syntax.constant(leaves[middle][0])])
    branch = syntax.when(is_less, _tree(rule, leaves[:middle]))
    branch.orelse = _tree(rule, leaves[middle:])
    return [branch]
