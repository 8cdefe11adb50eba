"""Compiles the small policies of tests, once: plans are kept in the clone's `.cache`."""

from pathlib import Path
from typing import Any

from callout.testing import tools
from extauthz.policy.compiler import ways as compilers
from extauthz.policy.compiler.plans import plan_key, write_atomically
from extauthz.policy.problems import PlanRejected
from extauthz.policy.rego import RegoEngine, load_plan
from extauthz.policy.values.text import to_json

CACHE = Path(__file__).resolve().parents[3] / ".cache"


def compiler() -> compilers.Compile:
    """A native `opa` where tests have one: it starts faster than WebAssembly."""
    try:
        return compilers.with_opa(tools.find("opa"))
    except tools.ToolMissing:
        return compilers.choose(CACHE, print)


def plan(*texts: str, entrypoint: str = "test/p") -> bytes:
    """The plan of some Rego modules."""
    sources = {f"{index}.rego": text.encode() for index, text in enumerate(texts)}
    kept = CACHE / "plans" / f"test-{plan_key(sources, entrypoint)}.json"
    if not kept.exists():
        (answer,) = compiler()([compilers.Request(sources, entrypoint, "test")])
        assert isinstance(answer, bytes), "\n".join(map(str, answer))
        write_atomically(kept, answer)
    return kept.read_bytes()


def engine(*texts: str, data: Any = None, entrypoint: str = "test/p") -> RegoEngine:
    """An engine for some Rego modules."""
    made = load_plan(
        plan(*texts, entrypoint=entrypoint),
        entrypoint,
        None if data is None else to_json(data).encode(),
    )
    assert not isinstance(made, PlanRejected), "\n".join(map(str, made.problems))
    return made


def decide(*texts: str, document: Any = None, data: Any = None) -> Any:
    """What `data.test.p` is."""
    return engine(*texts, data=data).decide({} if document is None else document, None)


def refusal(plan_text: bytes, entrypoint: str = "test/p") -> tuple[str, ...]:
    """Why a plan is refused."""
    made = load_plan(plan_text, entrypoint, None)
    assert isinstance(made, PlanRejected)
    return tuple(map(str, made.problems))
