"""Long work says after each small piece that it is done."""

from collections.abc import Sequence
from typing import Final

from callout.config.bundle import Bundle
from callout.config.pace import breathe, breathing
from callout.config.problems import Rejected
from callout.config.section import Section
from callout.config.snapshot import Snapshot, build
from callout.config.source import Source
from tests.callout.config.writing import policy

POLICIES: Final = 50


class Counting(Section):
    """Says in `done` what it was asked for."""

    key = "auth"

    def __init__(self, done: list[str]) -> None:
        self._done = done

    def compile_block(self, block: Source, bundle: Bundle) -> object | Rejected:
        self._done.append("block")
        return block.value

    def compile_part(self, bundle: Bundle, policies: Sequence[Source]) -> object | Rejected:
        self._done.append("part")
        return ()


def test_a_build_breathes_after_each_policy_and_each_part() -> None:
    texts = [
        policy(f"p{each}", f"on: [{{host: h{each}.example}}]\nauth: {{x: {each}}}")
        for each in range(POLICIES)
    ]
    bundle = Bundle({"a.yaml": "---\n".join(texts).encode()})
    done: list[str] = []
    with breathing(lambda: done.append("breath")):
        paced = build(bundle, [Counting(done)])
    assert done.count("block") == POLICIES
    assert done.count("part") == 1
    work = [at for at, each in enumerate(done) if each != "breath"]
    assert all(done[at + 1] == "breath" for at in work)
    # And before the first of them: the table of 50 hosts.
    assert work[0] >= POLICIES
    # Nobody breathes any more, and what was built is the same.
    before = len(done)
    breathe()
    assert len(done) == before
    plain = build(bundle, [Counting([])])
    assert isinstance(plain, Snapshot)
    assert isinstance(paced, Snapshot)
    assert (paced.digest, paced.policies.names) == (plain.digest, plain.policies.names)
