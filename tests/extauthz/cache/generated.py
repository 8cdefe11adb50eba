"""Random policies that read their input in all ways that Rego has, and inputs for them."""

import json
import random
import subprocess
import tarfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from callout.testing import tools

FIELDS = "abcd"
DATA: dict[str, Any] = {
    "table": {"1": {"a": 1}, "x": {"a": "x"}, "xy": {"b": True}},
    "names": ["a", "b"],
    "key": "a",
}
HELPERS = """
default h1 := 0
h1 := input.a
h2 := input.a.b
h3 if input.c
h4 contains v if some v in input.b
h5[k] := v if some k, v in input.d
h6 := x if {
    x := input.c.a
    input.d == 1
} else := input.a if not input.b
f1(x) if x.a == 1
f1(x) if input.d == x
f2(x) := input.c if x == 1
f2(x) := x if x != 1
r.x := input.a.b
r.y if input.d
"""


def constant(r: random.Random) -> str:
    return r.choice(['"x"', '"xy"', '"a"', "1", "true", "null", "false", "1.0", "2", "{}", "[]"])


class _Body:
    """Writes the conditions of one rule; variables are safe by construction."""

    def __init__(self, r: random.Random) -> None:
        self.r = r
        self.names: list[str] = []
        self.count = 0

    def fresh(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def ref(self) -> str:
        r = self.r
        root = r.choice([*self.names, "input", "input", "input"])
        steps = [
            r.choice([f".{r.choice(FIELDS)}"] * 6 + ["[0]", "[1]", "[data.key]", '["a"]'])
            for _ in range(r.randint(1 if root == "input" else 0, 3))
        ]
        return root + "".join(steps)

    def simple(self) -> str:
        """A condition that may be negated."""
        r = self.r
        choices: list[Callable[[], str]] = [
            lambda: f"{self.ref()} == {constant(r)}",
            lambda: f"{self.ref()} != {constant(r)}",
            lambda: f"{self.ref()} == {self.ref()}",
            self.ref,
            lambda: f'startswith({self.ref()}, "x")',
            lambda: f'{self.ref()} in {{"x", 1, true}}',
            lambda: f"f1({self.ref()})",
            lambda: f"f2({self.ref()}) == {constant(r)}",
            lambda: r.choice(["h3", "h1 == 1", "h2 == input.c", "h6 == 1", "1 in h4", "h2.a"]),
            lambda: f"h5[{self.ref()}] == {constant(r)}",
            lambda: f"data.table[{self.ref()}].a == {self.ref()}",
            lambda: f"data.{self.package}.r[{self.ref()}]",
            lambda: f"is_object({self.ref()})",
            lambda: f"count({self.ref()}) == 1",
            lambda: f'object.get({self.ref()}, ["a", "b"], 1) == {constant(r)}',
            lambda: f"type_name({self.ref()}) == type_name({constant(r)})",
            lambda: f'sprintf("%v", [{self.ref()}]) == sprintf("%v", [{self.ref()}])',
            lambda: f"input[{self.ref()}] == {constant(r)}",
            lambda: f"to_number({self.ref()}) > 0",
        ]
        return r.choice(choices)()

    package = ""

    def condition(self) -> list[str]:
        r = self.r
        kind = r.randrange(14)
        if kind < 5:
            return [self.simple()]
        if kind == 5:
            return [f"not {self.simple()}"]
        if kind == 6:
            name, value = self.fresh(), self.ref()
            self.names.append(name)
            return [f"{name} := {value}"]
        if kind == 7:
            key, value, source = self.fresh(), self.fresh(), self.ref()
            self.names += [value]
            return [f"some {key}, {value} in {source}", self.simple()]
        if kind == 8:
            value, source = self.fresh(), self.ref()
            return [f"every {value} in {source} {{ {value} != {constant(r)} }}"]
        if kind == 9:
            inner = "; ".join(self.nested(2))
            return [f"count([1 | {inner}]) {r.choice(['==', '>'])} 0"]
        if kind == 10:
            value = self.fresh()
            return [f"walk({self.ref()}, [_, {value}])", f"{value} == {constant(r)}"]
        if kind == 11:
            changed = r.choice(["h3", "h1 == 1", "h2 == 1", "f1(input.b)"])
            return [f"{changed} with input.{r.choice(FIELDS)} as {r.choice(['1', self.ref()])}"]
        if kind == 12:
            inner = "; ".join(self.nested(1))
            value = self.fresh()
            return [f"count({{{value} | some {value} in {self.ref()}; {inner}}}) < 2"]
        return [f"not h{r.choice('13')}", self.simple()]

    def nested(self, most: int) -> list[str]:
        names = list(self.names)
        lines = [line for _ in range(self.r.randint(1, most)) for line in self.condition()]
        self.names = names
        return lines

    def lines(self) -> list[str]:
        return [line for _ in range(self.r.randint(1, 4)) for line in self.condition()]


def module(seed: int) -> str:
    """A policy: package `t` and the seed, entrypoint `p`."""
    r = random.Random(seed)
    parts = [f"package t{seed}", HELPERS]
    if r.random() < 0.5:
        parts.append("default p := false")
    if r.random() < 0.15:
        # enough equal rules for an index
        field = r.choice(["input.a", "input.b.c", "input.a.b"])
        for number in range(12):
            text = r.choice(["x", "xy", "a", "1"]) + str(number % 5)
            test = f'{field} == "{text}"' if r.random() < 0.5 else f'startswith({field}, "{text}")'
            parts.append(f"p if {{ {test}; {_simple(r, seed)} }}")
        return "\n".join(parts)
    for _ in range(r.randint(1, 3)):
        body = _Body(r)
        body.package = f"t{seed}"
        lines = "\n    ".join(body.lines())
        value = r.choice(["", "", "", " := true", f" := {body.ref()}" if body.names else ""])
        rule = f"p{value} if {{\n    {lines}\n}}"
        if r.random() < 0.3:
            rule += f" else := {constant(r)} if {{ {_simple(r, seed)} }}"
        parts.append(rule)
    return "\n".join(parts)


def _simple(r: random.Random, seed: int) -> str:
    body = _Body(r)
    body.package = f"t{seed}"
    return body.simple()


def plan(seeds: range, folder: Path) -> bytes:
    """One plan for all these policies, by OPA's own compiler."""
    for seed in seeds:
        (folder / f"{seed}.rego").write_text(module(seed))
    (folder / "data.json").write_text(json.dumps(DATA))
    entrypoints = [part for seed in seeds for part in ("-e", f"t{seed}/p")]
    bundle = folder.parent / f"{folder.name}.tar.gz"
    done = subprocess.run(
        [str(tools.find("opa")), "build", "-t", "plan", "-o", str(bundle), *entrypoints, "."],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with tarfile.open(bundle) as archive:
        member = archive.extractfile("/plan.json")
        assert member is not None
        return member.read()


_SCALARS: tuple[Any, ...] = (
    None,
    True,
    False,
    1,
    0,
    2,
    Decimal("1.0"),
    "x",
    "xy",
    "a",
    "1",
    "x1",
    "xy2",
    "",
)


def value(r: random.Random, depth: int) -> Any:
    kind = r.random()
    if depth and kind < 0.45:
        return {name: value(r, depth - 1) for name in FIELDS if r.random() < 0.5}
    if depth and kind < 0.6:
        return [value(r, depth - 1) for _ in range(r.randrange(3))]
    return r.choice(_SCALARS)


def document(r: random.Random) -> dict[str, Any]:
    return {name: value(r, 2) for name in FIELDS if r.random() < 0.8}


def mutant(r: random.Random, original: Any, depth: int = 0) -> Any:
    """The same with one thing changed, at any place."""
    if isinstance(original, dict) and (depth == 0 or r.random() < 0.7):
        changed = dict(original)
        name = r.choice(sorted(changed)) if changed and r.random() < 0.8 else r.choice(FIELDS)
        if name in changed and r.random() < 0.25:
            del changed[name]
        elif name in changed:
            changed[name] = mutant(r, changed[name], depth + 1)
        else:
            changed[name] = value(r, 1)
        return changed
    if isinstance(original, list) and original and r.random() < 0.7:
        place = r.randrange(len(original))
        if r.random() < 0.2:
            return original[:place] + original[place + 1 :]
        return [
            mutant(r, item, depth + 1) if index == place else item
            for index, item in enumerate(original)
        ]
    return value(r, 1)
