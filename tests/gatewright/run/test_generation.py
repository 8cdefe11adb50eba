"""How a worker comes by its next snapshot: received in pieces, built, swapped, taken apart."""

import asyncio
import gc
import os
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from callout.config import records
from callout.config.bundle import Bundle
from callout.config.problems import Problem, Rejected
from callout.config.snapshot import Snapshot, rebuilt
from callout.config.uncollected import uncollected
from callout.testing import tools
from extauthz.config import AuthSection
from gatewright.bundle.load import Loaded, check
from gatewright.run import generation, messages
from gatewright.run.generation import Generation
from gatewright.run.retiring import Retiring
from ratelimit.config import LimitsSection
from tests.end_to_end.serve import OPEN, policy

WAIT = 20.0
PLAIN = {"a.yaml": policy("a", "limits: [{name: one, by: [address], rate: 1/s}]").encode()}
OTHER = {"a.yaml": policy("b", "limits: [{name: one, by: [address], rate: 2/s}]").encode()}

RICH = b"""package shop

default allow := false

allow if {
    every team in input.parsed_query.team { team in teams }
    not blocked[input.attributes.source.address.socketAddress.address]
}
teams contains team if some team in ["a", "b"]
blocked[address] := reason if {
    some address, reason in {"192.0.2.1": "abuse"}
    f(reason) != ""
}
f(text) := concat("-", [part | some part in split(text, " ")])
decision := object.union({"allowed": allow}, {"headers": {key: value |
    walk(input.attributes.request.http.headers, [[key], value])
}}) if true else := {"allowed": false}
"""
"""Most kinds of statements that plans have."""
EDGE = b"""domain: edge
descriptors:
  - key: path
    value: /a/*
    rate_limit: {unit: second, requests_per_unit: 5, name: a}
    descriptors: [{key: user, rate_limit: {unit: day, requests_per_unit: 9}}]
  - key: path
"""


def loaded(files: Mapping[str, bytes], cache: Path) -> Loaded:
    found = check(Bundle(files), cache, lambda _: None)
    assert isinstance(found, Loaded), found
    return found


class Heard:
    """A generation, and what it told."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self.told: asyncio.Queue[tuple[str, list[str]]] = asyncio.Queue()
        self.generation = Generation(
            lambda digest: self.told.put_nowait((digest, [])),
            lambda digest, problems: self.told.put_nowait((digest, problems)),
        )

    def send(self, files: Mapping[str, bytes]) -> str:
        good = loaded(files, self._cache)
        for message in messages.of_bundle(good.bundle, good.documents):
            read = messages.to_worker(messages.encode(message))
            assert isinstance(read, messages.OfBundle)
            self.generation.hear(read)
        return good.bundle.digest

    async def next(self) -> tuple[str, list[str]]:
        return await asyncio.wait_for(self.told.get(), WAIT)


async def test_a_bundle_in_pieces_is_the_bundle(tmp_path: Path) -> None:
    heard = Heard(tmp_path)
    big = {"data/large.bin": bytes(range(256)) * 1_000, "data/empty": b""}
    digest = heard.send({**PLAIN, **big})
    assert await heard.next() == (digest, [])
    assert heard.generation.snapshot is not None
    assert heard.generation.snapshot.digest == digest
    assert heard.generation.snapshot.policies.names == ("a",)


async def test_of_bundles_that_come_while_one_is_built_only_the_newest_is(tmp_path: Path) -> None:
    heard = Heard(tmp_path)
    first = heard.send(PLAIN)
    await asyncio.sleep(0)
    heard.send({**PLAIN, "x": b"1"})
    last = heard.send(OTHER)
    assert await heard.next() == (first, [])
    assert await heard.next() == (last, [])
    assert heard.told.empty()


async def test_a_bundle_that_breaks_off_is_void(tmp_path: Path) -> None:
    heard = Heard(tmp_path)
    heard.generation.hear(messages.BundleEnds())
    heard.generation.hear(messages.BundleFile("a.yaml", b"x"))
    heard.generation.hear(messages.BundleComes("0" * 64))
    heard.generation.hear(messages.BundleFile("a.yaml", b"not of the next one"))
    digest = heard.send(PLAIN)
    assert await heard.next() == (digest, [])
    assert heard.told.empty()


@pytest.mark.parametrize("error", [MemoryError(), RecursionError(), OSError(), KeyError("secret")])
async def test_whatever_building_raises_is_told_and_what_decided_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    heard = Heard(tmp_path)
    digest = heard.send(PLAIN)
    await heard.next()
    before = heard.generation.snapshot

    def fail(*_: object) -> Snapshot:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(generation, "rebuilt", fail)
        other = heard.send(OTHER)
        assert await heard.next() == (other, [f"the worker failed: {type(error).__name__}"])
    assert heard.generation.snapshot is before
    assert heard.send(PLAIN) == digest
    assert await heard.next() == (digest, [])


async def test_what_the_supervising_process_accepted_and_a_worker_does_not_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard(tmp_path)
    problem = Problem("a.yaml", 3, 1, "limits", "expected something else")
    monkeypatch.setattr(generation, "rebuilt", lambda *_: Rejected((problem,)))
    digest = heard.send(PLAIN)
    assert await heard.next() == (digest, ["a.yaml:3:1: limits: expected something else"])
    assert heard.generation.snapshot is None


def test_building_leaves_the_garbage_collector_as_it_was() -> None:
    assert gc.isenabled()
    with uncollected():
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.unfreeze()


def test_a_snapshot_leaves_nothing_for_the_garbage_collector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without it on the path OPA's compiler is built for this cache: half a minute.
    monkeypatch.setenv("PATH", str(tools.require("opa").parent), prepend=os.pathsep)
    files = {"a.yaml": policy("a", OPEN).encode(), "rego/shop.rego": RICH}
    files["b.yaml"] = policy("b", "limits: [{name: x, by: [host], rate: 1/s}]").encode()
    files["ratelimit/edge.yaml"] = EDGE
    good = loaded(files, tmp_path)
    sent = list(records.batches(good.documents))

    def life() -> "weakref.ref[Snapshot]":
        # Sections of its own: those of the process remember the last plans.
        sections = (AuthSection(), LimitsSection())
        built = rebuilt(good.bundle, list(records.policies(sent)), sections)
        assert isinstance(built, Snapshot)
        built.policies.find("shop.example", "/x", "GET")
        return weakref.ref(built)

    gc.unfreeze()
    gc.collect()
    life()
    gc.collect()
    gc.disable()
    try:
        assert life()() is None
        assert gc.collect() == 0
    finally:
        gc.enable()


class Piece:
    """Something large."""


class Index:
    """What a snapshot holds of its policies."""

    def __init__(self) -> None:
        self._pieces = [Piece() for _ in range(100)]

    def pieces(self) -> Iterator[list[object]]:
        yield list(self._pieces)


async def test_a_snapshot_is_taken_apart_only_when_nobody_holds_it() -> None:
    index = Index()
    pieces = [weakref.ref(each) for some in index.pieces() for each in some]
    snapshot = Snapshot("", index, {}, ())  # type: ignore[arg-type]  # all that it is asked
    del index
    held = snapshot
    retiring = Retiring()
    retiring.retire(snapshot)
    del snapshot
    for _ in range(50):
        await asyncio.sleep(0)
    assert None not in [each() for each in pieces]
    del held
    end = asyncio.get_running_loop().time() + WAIT
    while any(each() is not None for each in pieces):
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.01)
