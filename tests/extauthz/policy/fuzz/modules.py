"""Rego that nobody wrote: modules of a grammar, and inputs for them, from a seed.

Modules are valid in form, but not always in type; OPA's compiler says which are not Rego. What is
used comes back often: few names, few constants, so that rules meet each other.
"""

import re
from random import Random
from typing import Any, NamedTuple, TypeVar

_T = TypeVar("_T")
SCALARS = ("0", "1", "2", "-1", "1.5", "1.0", '"a"', '"b"', '"ab"', '""', "true", "false", "null")
FIELDS = ("a", "b", "c", "l", "o", "s")
PATHS = (
    *(f"input.{field}" for field in FIELDS),
    "input",
    "input.o.a",
    "input.o.b",
    "input.l[0]",
    "input.l[1].a",
    "input.o[input.s]",
    "input.l[input.a]",
    "data.users",
    "data.users.alice",
    "data.users[input.s]",
    "data.table[0]",
    "data.table[0].k",
    "data.table[input.a].v",
    "data.grid",
    "data.none",
)
KEYS = ('"a"', '"b"', "input.s", "input.a", "0", "1")
DATA: dict[str, Any] = {
    "users": {"alice": "a", "bob": "b", "a": ["x", "y"]},
    "table": [{"k": "a", "v": 1}, {"k": "b", "v": 2}, {"k": "ab", "v": [1, 2]}],
    "grid": [[1, 2], [3, 4], []],
}
UNARY = ("count", "sum", "max", "min", "sort", "upper", "lower", "to_number", "type_name",
         "is_string", "is_number", "is_array", "object.keys", "abs", "json.marshal",
         "array.reverse")  # fmt: skip
BINARY = ("array.concat", "object.union", "concat", "split", "startswith", "contains",
          "trim_prefix", "object.remove", "strings.any_prefix_match", "indexof")  # fmt: skip
COMPARISONS = ("==", "==", "==", "!=", "<", ">=")
GLOBS = ('"a*"', '"*"', '"a"', '"ab*"', '"{a,b}"')


class Module(NamedTuple):
    """A package without its first line; `p` is what it is asked for."""

    rules: tuple[str, ...]
    question: str

    def text(self, package: str) -> str:
        """The module, as a package of this name."""
        body = "\n".join([*self.rules, self.question])
        return f"package {package}\n\nimport rego.v1\n\n{body}\n".replace("PACKAGE", package)


class Writer:
    """Writes one module."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.rules: list[str] = []
        self.functions: list[str] = []
        self.count = 0

    def fresh(self) -> str:
        """A variable that no other has the name of."""
        self.count += 1
        return f"x{self.count}"

    def one(self, *choices: _T) -> _T:
        """One of them."""
        return self.random.choice(choices)

    def loose(self, known: list[str], depth: int = 2) -> str:
        """A term of which OPA's compiler does not know the type."""
        term = self.term(known, depth)
        is_loose = term.startswith(("input", "data.users", "data.table", "same(")) or term in known
        return term if is_loose else f"same({term})"

    # -- terms

    def term(self, known: list[str], depth: int = 2) -> str:
        """Something with a value, perhaps."""
        roll = self.random.random()
        if depth <= 0 or roll < 0.5:
            if known and roll < 0.22:
                return self.variable(known)
            if self.rules and roll < 0.32:
                return self.rule()
            return self.one(*PATHS) if roll < 0.43 else self.one(*SCALARS)
        if roll < 0.58:
            return self.collection(known, depth)
        if roll < 0.7:
            return self.comprehension(known, depth)
        if roll < 0.78 and self.functions:
            return f"{self.one(*self.functions)}({self.term(known, depth - 1)})"
        if roll < 0.88:
            return f"{self.one(*UNARY)}({self.loose(known, depth - 1)})"
        if roll < 0.94:
            a, b = self.loose(known, depth - 1), self.loose(known, depth - 1)
            return f"{self.one(*BINARY)}({a}, {b})"
        if roll < 0.97:
            a, b = self.loose(known, depth - 1), self.loose(known, depth - 1)
            return f"({a} {self.one('+', '-', '*', '|', '&')} {b})"
        return (
            f"object.get({self.loose(known, depth - 1)}, {self.one(*KEYS)}, {self.one(*SCALARS)})"
        )

    def variable(self, known: list[str]) -> str:
        name = self.one(*known)
        return self.one(name, name, f"{name}.a", f"{name}[0]", f"{name}[{self.one(*KEYS)}]")

    def rule(self) -> str:
        name = self.one(*self.rules)
        loose = f"same({name})"
        return self.one(
            name, name, f"{loose}.a", f"{loose}[{self.one(*KEYS)}]", f"data.PACKAGE.{name}"
        )

    def collection(self, known: list[str], depth: int) -> str:
        terms = [self.term(known, depth - 1) for _ in range(self.random.randint(0, 3))]
        kind = self.random.random()
        if kind < 0.4:
            return f"[{', '.join(terms)}]"
        if kind < 0.7:
            return f"{{{', '.join(terms)}}}" if terms else "set()"
        pairs = [f"{key}: {term}" for key, term in zip(('"a"', '"b"', "1"), terms, strict=False)]
        return f"{{{', '.join(pairs)}}}"

    def comprehension(self, known: list[str], depth: int) -> str:
        inner = list(known)
        body = self.body(inner, depth - 1, most=2)
        head = self.term(inner, depth - 1)
        kind = self.random.random()
        if kind < 0.45:
            return f"[{head} | {body}]"
        if kind < 0.75:
            return f"{{{head} | {body}}}"
        return f"{{{self.one(*inner, *KEYS)}: {head} | {body}}}"

    # -- bodies

    def body(self, known: list[str], depth: int = 2, most: int = 3) -> str:
        """Expressions; what they bind is added to `known`."""
        number = self.random.randint(1, most)
        return "; ".join(self.expression(known, depth) for _ in range(number))

    def expression(self, known: list[str], depth: int) -> str:
        roll = self.random.random()
        if roll < 0.16:
            return f"{self.one(*PATHS)} == {self.one(*SCALARS)}"
        if roll < 0.28:
            a, b = self.loose(known, depth), self.term(known, depth - 1)
            return f"{a} {self.one(*COMPARISONS)} {b}"
        if roll < 0.34:
            return self.term(known, depth)
        if roll < 0.44:
            return f"not {self.condition(list(known), depth - 1)}"
        if roll < 0.54:
            term, name = self.loose(known, depth), self.fresh()
            known.append(name)
            return f"{name} := {term}" + self.replaced(known[:-1], depth)
        if roll < 0.68:
            return self.iteration(known, depth)
        if roll < 0.75:
            return self.every(list(known), depth)
        if roll < 0.82:
            return f"{self.loose(known, depth)} in {self.loose(known, depth)}"
        if roll < 0.87:
            return f"startswith({self.one(*PATHS)}, {self.one(*SCALARS[6:9])})"
        if roll < 0.9:
            return f"glob.match({self.one(*GLOBS)}, [], {self.one(*PATHS)})"
        if roll < 0.94 and self.rules:
            return self.one(*self.rules) + self.replaced(known, depth, always=True)
        if roll < 0.96:
            path, value = self.fresh(), self.fresh()
            text = f"walk({self.loose(known, depth - 1)}, [{path}, {value}])"
            known += [path, value]
            return text
        return self.condition(known, depth)

    def condition(self, known: list[str], depth: int) -> str:
        """An expression that binds nothing."""
        roll = self.random.random()
        if roll < 0.5:
            return f"{self.loose(known, depth)} {self.one(*COMPARISONS)} {self.term(known, 0)}"
        if roll < 0.7:
            return f"{self.loose(known, depth)} in {self.loose(known, 1)}"
        return self.term(known, depth)

    def iteration(self, known: list[str], depth: int) -> str:
        source = self.loose(known, depth - 1)
        value = self.fresh()
        roll = self.random.random()
        if roll < 0.5:
            known.append(value)
            return f"some {value} in {source}"
        key = self.fresh()
        known += [key, value]
        if roll < 0.8:
            return f"some {key}, {value} in {source}"
        base = self.one("input.l", "input.o", "data.table", "data.users", "input")
        return f"some {key}; {value} := {base}[{key}]"

    def every(self, known: list[str], depth: int) -> str:
        source, value = self.loose(known, depth - 1), self.fresh()
        names, bound = value, [value]
        if self.random.random() < 0.4:
            key = self.fresh()
            names, bound = f"{key}, {value}", [key, value]
        return f"every {names} in {source} {{ {self.body(known + bound, depth - 1, most=2)} }}"

    def replaced(self, known: list[str], depth: int, always: bool = False) -> str:
        """`with`, sometimes."""
        if not always and self.random.random() < 0.75:
            return ""
        places = ("input.a", "input.o.a", "input", "input.l", "data.users", "data.users.alice",
                  "data.table")  # fmt: skip
        text = f" with {self.one(*places)} as {self.term(known, depth - 1)}"
        return text + (self.replaced(known, depth) if always else "")

    # -- rules

    def module(self) -> Module:
        """All of it."""
        written: list[str] = []
        for number in range(self.random.randint(2, 5)):
            name = f"r{number}"
            kind = self.one(
                self.complete, self.complete, self.conditions, self.otherwise, self.members,
                self.fields, self.indexed, self.function, self.nested,
            )  # fmt: skip
            written += kind(name)
        asked = [f"[v | v := {name}]" for name in self.rules]
        asked += [f"[v | v := {name}({self.term([], 1)})]" for name in self.functions]
        written = ["same(v) := v", *map(_used, written)]
        return Module(tuple(written), f"p := [{', '.join(asked)}]")

    def default(self, name: str) -> list[str]:
        return [f"default {name} := {self.one(*SCALARS)}"] if self.random.random() < 0.4 else []

    def complete(self, name: str) -> list[str]:
        rules = self.default(name)
        same = self.one(*SCALARS)
        for _ in range(self.random.randint(1, 3)):
            known: list[str] = []
            body = self.body(known)
            head = same if self.random.random() < 0.6 else self.term(known, 1)
            rules.append(f"{name} := {head} if {{ {body} }}")
        self.rules.append(name)
        return rules

    def conditions(self, name: str) -> list[str]:
        rules = self.default(name)
        rules += [f"{name} if {{ {self.body([])} }}" for _ in range(self.random.randint(1, 4))]
        self.rules.append(name)
        return rules

    def otherwise(self, name: str) -> list[str]:
        parts = []
        for _ in range(self.random.randint(2, 4)):
            known: list[str] = []
            body = self.body(known)
            parts.append(f":= {self.term(known, 1)} if {{ {body} }}")
        if self.random.random() < 0.4:
            parts.append(f":= {self.one(*SCALARS)}")
        self.rules.append(name)
        return [f"{name} " + " else ".join(parts)]

    def members(self, name: str) -> list[str]:
        rules = []
        for _ in range(self.random.randint(1, 3)):
            known: list[str] = []
            body = self.body(known)
            rules.append(f"{name} contains {self.term(known, 1)} if {{ {body} }}")
        self.rules.append(name)
        return rules

    def fields(self, name: str) -> list[str]:
        rules = []
        for _ in range(self.random.randint(1, 3)):
            known: list[str] = []
            body = self.body(known)
            key = self.one(*known, *KEYS)
            value = self.one(key, self.term(known, 1))
            rules.append(f"{name}[{key}] := {value} if {{ {body} }}")
        self.rules.append(name)
        return rules

    def nested(self, name: str) -> list[str]:
        rules = []
        for key in ("a", "b", "c.d"):
            known: list[str] = []
            body = self.body(known)
            rules.append(f"{name}.{key} := {self.term(known, 1)} if {{ {body} }}")
        self.rules.append(name)
        return rules

    def function(self, name: str) -> list[str]:
        name = name.replace("r", "f")
        rules = []
        if self.random.random() < 0.4:
            rules += [
                f"{name}({argument}) := {self.one(*SCALARS)}"
                for argument in self.random.sample(SCALARS, self.random.randint(1, 10))
            ]
        else:
            for _ in range(self.random.randint(1, 3)):
                known = ["x"]
                body = self.body(known)
                rules.append(f"{name}(x) := {self.term(known, 1)} if {{ {body} }}")
            if self.random.random() < 0.4:
                rules[-1] += f" else := {self.one('x', *SCALARS)}"
        self.functions.append(name)
        return rules

    def indexed(self, name: str) -> list[str]:
        """So many rules that they are worth an index, of one kind or of several."""
        rules = self.default(name)
        subject = self.one("input.s", "input.a", "input.o.a")
        shapes = {
            "==": lambda: f"{subject} == {self.one(*SCALARS)}",
            "prefix": lambda: f"startswith({subject}, {self.one(*SCALARS[6:9])})",
            "glob": lambda: f"glob.match({self.one(*GLOBS)}, [], {subject})",
            "in": lambda: f"{subject} in {{{self.one(*SCALARS)}, {self.one(*SCALARS)}}}",
            "regex": lambda: (
                f"regex.match({self.one('`^a`', '`^ab?`', '`b`', '`^a|b`')}, {subject})"
            ),
        }
        kinds = [self.one(*shapes), self.one(*shapes)]
        form = self.one("", "", " contains ", " := ")
        for number in range(self.random.randint(9, 14)):
            known: list[str] = []
            asked = shapes[self.one(*kinds)]()
            other = self.body(known, 1, most=1) if self.random.random() < 0.3 else "true"
            body = "; ".join(self.random.sample([asked, other], 2))
            head = {"": "", " := ": f" := {self.one(1, 1, 1, 1, 1, number)}"}.get(form)
            if head is None:
                head = f" contains {number}"
            rules.append(f"{name}{head} if {{ {body} }}")
        self.rules.append(name)
        return rules


def _used(rule: str) -> str:
    """The rule without names for what it does not use: to OPA these are mistakes."""
    for name in set(re.findall(r"\bx\d+\b", rule)):
        if len(re.findall(rf"\b{name}\b", rule)) == 1:
            rule = re.sub(rf"\b{name} :=", "_ =", rule)
            rule = re.sub(rf"\b{name}\b", "_", rule)
    return rule


def module(random: Random) -> Module:
    """A module."""
    return Writer(random).module()


def document(random: Random) -> dict[str, Any]:
    """An input; any field may be absent."""

    def value(depth: int) -> Any:
        if depth <= 0 or random.random() < 0.6:
            return random.choice([0, 1, 2, -1, "a", "b", "ab", "", True, False, None])
        if random.random() < 0.5:
            return [value(depth - 1) for _ in range(random.randint(0, 3))]
        return {key: value(depth - 1) for key in ("a", "b", "k") if random.random() < 0.6}

    made: dict[str, Any] = {}
    for field in ("a", "b", "c"):
        if random.random() < 0.8:
            made[field] = value(2)
    if random.random() < 0.8:
        made["l"] = [value(2) for _ in range(random.randint(0, 3))]
    if random.random() < 0.8:
        made["o"] = {key: value(1) for key in ("a", "b", "c") if random.random() < 0.7}
    if random.random() < 0.8:
        made["s"] = random.choice(["a", "b", "ab", "abc", ""])
    return made
