"""Calls of a builtin, ours and a real OPA's."""

import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from callout.testing.opa import OpaServer
from extauthz.policy.builtins.nondeterministic import NEEDS_MEMO
from extauthz.policy.builtins.table import BUILTINS
from extauthz.policy.engine import UNDEFINED
from extauthz.policy.errors import BuiltinError
from extauthz.policy.translator.runtime import begin
from extauthz.policy.values.text import from_json, plain, to_json


def ours(name: str, operands: list[Any]) -> Any:
    """What our builtin gives, as JSON can say it; `UNDEFINED` if it refuses."""
    builtin = BUILTINS[name]
    memo = [begin(time.time_ns())] if name in NEEDS_MEMO else []
    try:
        return plain(builtin.function(*memo, *operands))
    except BuiltinError:
        return UNDEFINED


class Opa:
    """One server with a rule for each builtin."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        rules = []
        for name in names:
            operands = ", ".join(f"input[{i}]" for i in range(BUILTINS[name].arity))
            rules.append(f"[{name}({operands})]")
        lines = [f"r{i} := {rule}" for i, rule in enumerate(rules)]
        self._rules = {name: f"calls/r{i}" for i, name in enumerate(names)}
        self._server = OpaServer(folder, {"calls.rego": "\n".join(["package calls", *lines])})
        self._connection = HTTPConnection("127.0.0.1", self._server.port, timeout=10)

    def __call__(self, name: str, operands: list[Any]) -> Any:
        self._connection.request(
            "POST",
            f"/v1/data/{self._rules[name]}",
            to_json({"input": operands}).encode(),
            {"content-type": "application/json"},
        )
        reply = from_json(self._connection.getresponse().read())
        return reply["result"][0] if "result" in reply else UNDEFINED

    def close(self) -> None:
        self._connection.close()
        self._server.close()
