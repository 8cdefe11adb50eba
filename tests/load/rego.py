"""`make bench-rego`: what a decision costs in our Rego, beside `opa bench` of the same policy.

    python -m tests.load.rego --write docs/performance.md

Both evaluate in process, with the input already parsed; OPA's figure is that of its own command.
They take turns, so that a noisy minute hits both; medians count. Exit status 0: everything was
measured, whether or not the goals were reached; 1: an answer is wrong.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from callout.config.uncollected import uncollected
from callout.testing import tools
from extauthz.policy.compiler import ways
from extauthz.policy.rego import RegoEngine, load_plan
from extauthz.policy.values.text import to_json
from tests.load import report

BEGIN: Final = "<!-- rego: begin -->"
END: Final = "<!-- rego: end -->"
RULES: Final = 200
MANY: Final = 1000
ENTRIES: Final = 10_000
COMPILE_SECONDS: Final = 2.0
BUNDLE: Final = Path(__file__).parent / "bundle" / "rego"

Document = dict[str, Any]


class Question(NamedTuple):
    """An input, and what the answer must be."""

    name: str
    document: Document
    answer: bool
    times: float
    """How many times as fast as OPA we want to be."""


class Policy(NamedTuple):
    """One policy and what it is asked."""

    name: str
    rego: str
    data: Mapping[str, Any]
    questions: tuple[Question, ...]

    @property
    def entrypoint(self) -> str:
        """As plans name it."""
        return f"{self.rego.partition('package ')[2].split()[0]}/allow"


class Row(NamedTuple):
    """Microseconds a decision: medians, and the least."""

    policy: Policy
    question: Question
    ours: float
    our_least: float
    theirs: float
    their_least: float

    @property
    def times(self) -> float:
        """How many times as fast we are."""
        return self.theirs / self.ours


class Loading(NamedTuple):
    """Seconds for a policy of `MANY` rules, by another process's compiler and here."""

    compiled: float
    translated: float


def _request(path: str, method: str = "GET", user: str = "alice") -> Document:
    headers = {"x-user": user, "user-agent": "Mozilla/5.0", "accept": "*/*", "cookie": "a=1; b=2"}
    http = {"host": "bench.example", "method": method, "path": path, "headers": headers}
    return {"attributes": {"request": {"http": http}}, "parsed_path": path.split("/")[1:]}


def _rules(number: int) -> str:
    """Routes as people write them: a prefix, a method, and who."""
    rules = [
        "allow if {\n"
        f'\tstartswith(input.attributes.request.http.path, "/service-{n}/")\n'
        f'\tinput.attributes.request.http.method == "{("GET", "POST")[n % 2]}"\n'
        '\tinput.attributes.request.http.headers["x-user"] != ""\n'
        "}\n"
        for n in range(number)
    ]
    return "package routes\n\ndefault allow := false\n\n" + "\n".join(rules)


def _exact(number: int) -> str:
    rules = [
        f'allow if input.attributes.request.http.path == "/service-{n}/"\n' for n in range(number)
    ]
    return "package exact\n\ndefault allow := false\n\n" + "\n".join(rules)


TABLE: Final = """package table

default allow := false

allow if {
	some route in data.routes
	startswith(input.attributes.request.http.path, route.prefix)
	input.attributes.request.http.method == route.method
}
"""
LOOKUP: Final = """package lookup

default allow := false

allow if data.grants[input.attributes.request.http.headers["x-user"]].method == \
input.attributes.request.http.method
"""


def _asked(number: int, times: float) -> tuple[Question, ...]:
    last = _request(f"/service-{number - 1}/x", ("GET", "POST")[(number - 1) % 2])
    return (
        Question("first", _request("/service-0/x"), True, times),
        Question("last", last, True, times),
        Question("none", _request("/other/x"), False, times),
    )


def policies() -> list[Policy]:
    """All that is measured."""
    rbac = (BUNDLE / "rbac" / "rbac.rego").read_text()
    roles = json.loads((BUNDLE / "rbac.json").read_text())
    routes = [{"prefix": f"/service-{n}/", "method": ("GET", "POST")[n % 2]} for n in range(RULES)]
    grants = {f"user-{n}": {"method": "GET", "paths": ["/a", "/b"]} for n in range(ENTRIES)}
    exact = (
        Question("first", _request("/service-0/"), True, 5),
        Question("last", _request(f"/service-{RULES - 1}/"), True, 5),
        Question("none", _request("/other/"), False, 5),
    )
    return [
        Policy(
            "roles with data",
            rbac,
            roles,
            (
                Question("allowed", _request("/orders/1"), True, 10),
                Question("denied", _request("/orders/1", user="guest"), False, 10),
            ),
        ),
        Policy(f"{RULES} rules: a prefix and a method", _rules(RULES), {}, _asked(RULES, 5)),
        Policy(f"{RULES} rules: a path", _exact(RULES), {}, exact),
        Policy(f"one rule, a table of {RULES}", TABLE, {"routes": routes}, _asked(RULES, 5)),
        Policy(
            f"{MANY:,} rules: a prefix and a method",
            _rules(MANY),
            {},
            (Question("none", _request("/other/x"), False, 1),),
        ),
        Policy(
            f"data of {ENTRIES:,} entries, by key",
            LOOKUP,
            {"grants": grants},
            (Question("allowed", _request("/a", user="user-9999"), True, 5),),
        ),
    ]


class WrongAnswer(Exception):
    """One of us does not decide as the policy says."""


def engine_of(policy: Policy) -> tuple[RegoEngine, Loading]:
    """Compile and translate."""
    began = time.perf_counter()
    request = ways.Request({"policy.rego": policy.rego.encode()}, policy.entrypoint, policy.name)
    (plan,) = ways.with_opa(tools.find("opa"))([request])
    if not isinstance(plan, bytes):
        raise WrongAnswer("; ".join(map(str, plan)))
    compiled = time.perf_counter()
    with uncollected():  # as a worker loads
        made = load_plan(plan, policy.entrypoint, to_json(policy.data).encode())
    if not isinstance(made, RegoEngine):
        raise WrongAnswer("; ".join(map(str, made.problems)))
    return made, Loading(compiled - began, time.perf_counter() - compiled)


def ours(made: RegoEngine, document: Document, seconds: float) -> float:
    """Microseconds a decision."""
    decide = made.decide
    number = 10
    while True:
        began = time.perf_counter()
        for _ in range(number):
            decide(document, None)
        took = time.perf_counter() - began
        if took >= seconds:
            return took / number * 1e6
        number = max(number * 2, int(number * seconds / max(took, 1e-9)))


def theirs(folder: Path, policy: Policy, document: Document) -> float:
    """Microseconds an operation, by `opa bench`."""
    (folder / "input.json").write_text(json.dumps(document))
    command: list[str | Path] = [
        tools.find("opa"),
        "bench",
        "--format",
        "json",
        "--metrics=false",
        "-d",
    ]
    command += [folder / "policy.rego", "-d", folder / "data.json", "-i", folder / "input.json"]
    query = "data." + policy.entrypoint.replace("/", ".")
    done = subprocess.run(
        [*command, query],
        capture_output=True,
        timeout=120,
        check=True,
        env=os.environ | {"GOMAXPROCS": "1"},
    )
    found = json.loads(done.stdout)
    return float(found["T"] / found["N"] / 1000)


def measure(policy: Policy, rounds: int, seconds: float) -> tuple[list[Row], Loading]:
    """Our decisions and OPA's, in turn."""
    made, loading = engine_of(policy)
    rows = []
    with tempfile.TemporaryDirectory(prefix="gatewright-rego-") as name:
        folder = Path(name)
        (folder / "policy.rego").write_text(policy.rego)
        (folder / "data.json").write_text(json.dumps(policy.data))
        for question in policy.questions:
            if made.decide(question.document, None) is not question.answer:
                raise WrongAnswer(f"{policy.name}: {question.name}")
            pairs = [
                (ours(made, question.document, seconds), theirs(folder, policy, question.document))
                for _ in range(rounds)
            ]
            mine, others = zip(*pairs, strict=True)
            rows.append(
                Row(
                    policy,
                    question,
                    statistics.median(mine),
                    min(mine),
                    statistics.median(others),
                    min(others),
                )
            )
    return rows, loading


def markdown(rows: Sequence[Row], loading: Loading, rounds: int) -> str:
    """The section of the page."""
    lines = [f"- {rounds} rounds, in turn; medians, and the least in brackets.", ""]
    lines += ["| policy | match | us a decision | `opa bench` | times as fast | at least |"]
    lines += ["|---|---|--:|--:|--:|--:|"]
    for row in rows:
        reached = "" if row.times >= row.question.times else " **missed**"
        lines.append(
            f"| {row.policy.name} | {row.question.name} | {row.ours:.2f} ({row.our_least:.2f})"
            f" | {row.theirs:.1f} ({row.their_least:.1f}) | {row.times:.1f}{reached}"
            f" | {row.question.times:g} |"
        )
    whole = loading.compiled + loading.translated
    reached = "reached" if whole <= COMPILE_SECONDS else "missed"
    lines += [
        "",
        f"- **{reached}**: {MANY:,} rules are loaded in {whole:.2f} s, at most"
        f" {COMPILE_SECONDS:g}: OPA's compiler in another process {loading.compiled:.2f} s,"
        f" translated to Python {loading.translated:.2f} s.",
    ]
    return "\n".join(lines) + "\n"


def run(rounds: int, seconds: float) -> tuple[list[Row], Loading]:
    """Everything."""
    rows: list[Row] = []
    many = Loading(0, 0)
    for policy in policies():
        found, loading = measure(policy, rounds, seconds)
        rows += found
        if policy.name.startswith(f"{MANY:,}"):
            many = loading
    return rows, many


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench-rego", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.3, help="of one of our rounds")
    parser.add_argument("--write", type=Path, help="a Markdown file with a place for the results")
    options = parser.parse_args(arguments)
    try:
        rows, loading = run(options.rounds, options.seconds)
    except (WrongAnswer, tools.ToolMissing) as error:
        print(f"bench-rego: {error}", file=sys.stderr)
        return 1
    section = markdown(rows, loading, options.rounds)
    print(section)
    if options.write:
        report.write(options.write, section, BEGIN, END)
    return 0


if __name__ == "__main__":
    sys.exit(main())
