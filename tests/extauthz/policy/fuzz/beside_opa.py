"""Modules and inputs through our translator and a real OPA server, many at a time."""

import http.client
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, NamedTuple, Self

from callout.testing import tools
from callout.testing.opa import OpaServer
from extauthz.policy.budget import REASON
from extauthz.policy.engine import UNDEFINED, PolicyFailed
from extauthz.policy.problems import PlanRejected
from extauthz.policy.rego import RegoEngine, load_plan
from extauthz.policy.values.text import from_json, to_json
from tests.extauthz.policy.fuzz.modules import DATA, Module, document, module

NOT_DONE = frozenset({"rego_builtin", "rego_number", "rego_range", REASON})
"""What we refuse at run time instead of answering otherwise than OPA: it ends in a denial."""
INPUTS = 12
"""For each module."""


REFUSED = "changes a value that it did not make"
"""What is refused at load although OPA runs it: see docs/rego.md."""


class Difference(NamedTuple):
    """One that should not be."""

    module: Module
    document: dict[str, Any]
    ours: str
    theirs: str

    def __str__(self) -> str:
        return (
            f"{self.module.text('test')}\ninput: {to_json(self.document)}\n"
            f"ours:   {self.ours}\ntheirs: {self.theirs}\n"
        )


class Counted(NamedTuple):
    """What a batch was."""

    modules: int
    """That OPA's compiler takes."""
    pairs: int
    defined: int
    """Answers that are not undefined, and no failure."""
    failed: int
    """Both say that the policy contradicts itself."""
    not_done: int
    differences: list[Difference]
    refused: int
    """Modules that we do not load."""


class BesideOpa:
    """An OPA server, which the modules of a batch are put into."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="gatewright-fuzz-rego-")
        self._server = OpaServer(Path(self._folder.name), {}, DATA)
        self._connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._connection.close()
        with closing(self._server):
            pass
        self._folder.cleanup()

    def batch(self, seed: int, number: int) -> Counted:
        """So many modules made from a seed, each with `INPUTS` inputs."""
        made = [module(Random(f"{seed}/{index}")) for index in range(number)]
        inputs = [
            [document(Random(f"{seed}/{index}/{each}")) for each in range(INPUTS)]
            for index in range(number)
        ]
        return self.compare(made, inputs)

    def compare(
        self, modules: Sequence[Module], inputs: Sequence[Sequence[dict[str, Any]]]
    ) -> Counted:
        """Ask both."""
        texts = {f"m{index}": each.text(f"m{index}") for index, each in enumerate(modules)}
        known = {name: text for name, text in texts.items() if self._put(name, text)}
        try:
            engines = _engines(known) if known else {}
            return self._asked(modules, inputs, known, engines)
        finally:
            for name in known:
                self._request("DELETE", f"/v1/policies/{name}", "")

    def _asked(
        self,
        modules: Sequence[Module],
        inputs: Sequence[Sequence[dict[str, Any]]],
        known: dict[str, str],
        engines: dict[str, RegoEngine],
    ) -> Counted:
        pairs = defined = failed = not_done = 0
        differences: list[Difference] = []
        for name, made in engines.items():
            index = int(name[1:])
            for each in inputs[index]:
                pairs += 1
                mine = made.decide(each, None)
                if isinstance(mine, PolicyFailed) and mine.reason in NOT_DONE:
                    not_done += 1
                    continue
                other = self._theirs(name, each)
                if isinstance(mine, PolicyFailed):
                    failed += 1
                    text = "failed" if mine.reason == "rego_conflict" else str(mine)
                else:
                    text = "undefined" if mine is UNDEFINED else to_json(mine)
                    defined += mine is not UNDEFINED
                if text != other:
                    differences.append(Difference(modules[index], each, text, other))
        refused = len(known) - len(engines)
        return Counted(len(known), pairs, defined, failed, not_done, differences, refused)

    def _put(self, name: str, text: str) -> bool:
        """Whether it is Rego."""
        status, _ = self._request("PUT", f"/v1/policies/{name}", text)
        return status == 200

    def _theirs(self, name: str, each: dict[str, Any]) -> str:
        status, reply = self._request("POST", f"/v1/data/{name}/p", to_json({"input": each}))
        if status == 500:
            return "failed"
        answer = from_json(reply)
        return to_json(answer["result"]) if "result" in answer else "undefined"

    def _request(self, method: str, path: str, body: str) -> tuple[int, bytes]:
        self._connection.request(method, path, body.encode(), {"content-type": "application/json"})
        reply = self._connection.getresponse()
        return reply.status, reply.read()


def _engines(texts: dict[str, str]) -> dict[str, RegoEngine]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command: list[str | Path] = [tools.find("opa"), "build", "-t", "plan", "-o", "b.tar.gz"]
        for package, text in texts.items():
            (folder / f"{package}.rego").write_text(text)
            command += ["-e", f"{package}/p"]
        done = subprocess.run(
            [*command, *(f"{package}.rego" for package in texts)],
            cwd=folder,
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        with tarfile.open(folder / "b.tar.gz") as archive:
            member = archive.extractfile("/plan.json")
            assert member is not None
            plan = member.read()
    engines = {}
    whole = json.loads(plan)
    functions = whole["funcs"]["funcs"]
    for package in texts:
        # reading all of the plan for each of its modules would take most of the time
        whole["funcs"]["funcs"] = [f for f in functions if f".data.{package}." in f["name"]]
        part = json.dumps(whole).encode()
        made = load_plan(part, f"{package}/p", to_json(DATA).encode())
        if isinstance(made, PlanRejected):
            assert all(REFUSED in each.message for each in made.problems), (made, texts[package])
            continue
        engines[package] = made
    return engines
