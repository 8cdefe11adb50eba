"""The reasons that counters of the transport know are those that the operations page names."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "operations.md"
FOLDERS = ("callout/http2", "callout/serve", "callout/grpc")
ENDS = {"ConnectionFault": 1, "_fault": 0, "_terminate": 1, "abort": 0, "leave": 0}
"""Calls that end a connection, and which argument is the reason."""
DEFAULTS = {"_fault"}
"""Functions whose argument is such a reason, the default too."""
BEGIN = {"_on_block"}
"""Functions that refuse a stream which has not begun; elsewhere it has, and ends as a reset."""
RETURNS = {"refuses", "refuse_connection"}
"""Functions whose result is such a reason."""


def _constants(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value:
            yield each.value


def _name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _sources() -> Iterator[tuple[Path, ast.AST]]:
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).glob("*.py")):
            if file.name not in ("grpcio.py", "supervisor.py"):
                yield file, ast.parse(file.read_text())


def ends() -> set[str]:
    """Reasons of ended connections, as the code writes them."""
    found: set[str] = set()
    for file, tree in _sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = _name(node)
                if name in ENDS and len(node.args) > ENDS[name]:
                    found.update(_constants(node.args[ENDS[name]]))
                if name == "ConnectionFault" or name == "_terminate":
                    assert len(node.args) == 2, file
                if name == "refused" and file.name == "listener.py":
                    found.update(_constants(node.args[0]))
            if isinstance(node, ast.FunctionDef) and node.name in DEFAULTS:
                for default in node.args.defaults:
                    found.update(_constants(default))
            if isinstance(node, ast.FunctionDef) and node.name in RETURNS:
                for each in ast.walk(node):
                    if isinstance(each, ast.Return) and each.value is not None:
                        found.update(_constants(each.value))
    return {each for each in found if re.fullmatch(r"[a-z_0-9]+", each)}


def named(marker: str) -> set[str]:
    """Words of the page between two markers."""
    text = PAGE.read_text()
    inner = text.partition(f"<!-- {marker}: begin -->")[2].partition(f"<!-- {marker}: end -->")[0]
    return set(re.findall(r"`([a-z_0-9]+)`", inner))


def refusals() -> set[str]:
    """Reasons of refused calls that the transport itself writes."""
    found: set[str] = set()
    for file, tree in _sources():
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef) or function.name == "check_trailers":
                continue
            for node in ast.walk(function):
                if not isinstance(node, ast.Call) or file.name == "listener.py":
                    continue
                if _name(node) in ("refused", "refuse", "Malformed") and node.args:
                    found.update(_constants(node.args[0]))
                if _name(node) == "Refused" and len(node.args) == 3:
                    found.update(_constants(node.args[2]))
                if _name(node) == "_fail_stream" and function.name in BEGIN:
                    found.update(_constants(node.args[2]))
    return {each for each in found if re.fullmatch(r"[a-z_0-9]+", each)}


def rules() -> set[str]:
    """Reasons of refused calls that are gRPC's: of heads, and of messages by their status."""
    heads = ast.parse((ROOT / "callout/grpc/answers.py").read_text())
    found: set[str] = set()
    for node in ast.walk(heads):
        if isinstance(node, ast.Call) and _name(node) in ("Refusal", "_plain"):
            found.update(_constants(node.args[0]))
    messages = ast.parse((ROOT / "callout/grpc/framing.py").read_text())
    for node in ast.walk(messages):
        if isinstance(node, ast.Call) and _name(node) == "Status":
            code = node.args[0]
            assert isinstance(code, ast.Attribute)
            found.add(code.attr.lower())
    return found


def test_every_reason_of_an_ended_connection_is_named() -> None:
    assert len(ends()) > 40
    assert named("ends") | named("handshakes") >= ends()


def test_no_reason_of_an_ended_connection_is_named_that_is_none() -> None:
    assert named("ends") <= ends()


def test_the_reasons_of_refused_calls_are_named() -> None:
    assert len(refusals()) > 10
    assert named("refusals") == refusals()


def test_the_reasons_of_calls_refused_by_the_rules_of_grpc_are_named() -> None:
    assert len(rules()) > 5
    assert named("rules") == rules()
