"""Plan functions to Python functions: every instruction with what writes it."""

import ast
from typing import Final

from extauthz.policy.plan.ir import Block, Function
from extauthz.policy.translator import nodes, syntax
from extauthz.policy.translator import write_assignments as assignments
from extauthz.policy.translator import write_calls as calls
from extauthz.policy.translator import write_control as control
from extauthz.policy.translator import write_lookups as lookups
from extauthz.policy.translator.names import Names
from extauthz.policy.translator.spending import paid_call
from extauthz.policy.translator.writer import Program, Write, Writer, own

WRITERS: Final[dict[str, Write]] = {
    "ArrayAppendStmt": assignments.append,
    "AssignIntStmt": assignments.assign_int,
    "AssignVarOnceStmt": assignments.assign_once,
    "AssignVarStmt": assignments.assign_var,
    "BlockStmt": control.block_stmt,
    "BreakStmt": control.break_stmt,
    "CallDynamicStmt": calls.call_dynamic,
    "CallStmt": calls.call,
    "DotStmt": lookups.dot,
    "EqualStmt": lookups.equal,
    "IsArrayStmt": lookups.is_type,
    "IsDefinedStmt": lookups.is_defined,
    "IsObjectStmt": lookups.is_type,
    "IsSetStmt": lookups.is_type,
    "IsUndefinedStmt": lookups.is_undefined,
    "LenStmt": lookups.length,
    "MakeArrayStmt": assignments.make,
    "MakeNullStmt": assignments.make_scalar,
    "MakeNumberIntStmt": assignments.make_scalar,
    "MakeNumberRefStmt": assignments.make_scalar,
    "MakeObjectStmt": assignments.make,
    "MakeSetStmt": assignments.make,
    "NopStmt": assignments.nop,
    "NotEqualStmt": lookups.equal,
    "NotStmt": control.not_stmt,
    "ObjectInsertOnceStmt": assignments.insert,
    "ObjectInsertStmt": assignments.insert,
    "ObjectMergeStmt": assignments.merge,
    "ResetLocalStmt": assignments.reset,
    "ResultSetAddStmt": assignments.result,
    "ReturnLocalStmt": control.return_local,
    "ScanStmt": control.scan,
    "SetAddStmt": assignments.set_add,
    "WithStmt": control.with_stmt,
}
"""Every instruction of the IR. What is not here is refused when the plan is read."""


def write_function(program: Program, function: Function, names: Names) -> ast.FunctionDef:
    """Write a function of the policy, whose locals are renamed.

    It takes the input, the data, the evaluation's memo and its own parameters, and gives its
    value or `U`.

    Raises:
        PlanError: the plan is broken.
    """
    body = Writer(program, names, function.blocks).function_body(function.blocks)
    params = list(map(own, names.params))
    body = [*paid_call(function, program.functions), *body]
    name = f"f{program.numbers[function.name]}"
    return syntax.function(name, [*params[:2], "m", *params[2:]], body)


def write_entrypoint(
    program: Program, name: str, blocks: list[Block], names: Names
) -> ast.FunctionDef:
    """Write an entrypoint: a function of input, data and memo that gives the list of results."""
    body = [
        syntax.assign("results", nodes.List([], ast.Load())),
        *Writer(program, names, blocks).function_body(blocks)[:-1],
        nodes.Return(syntax.name("results")),
    ]
    return syntax.function(name, [*map(own, names.params), "m"], body)
