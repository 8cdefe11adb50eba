"""200,000 inputs, those that failed once, and mistakes that are made here to be found."""

import random
from collections.abc import Callable

import pytest

from callout.grpc import framing
from callout.http2 import inbound
from callout.http2.connection import Connection
from callout.http2.floods import Floods
from callout.http2.inbound import Inbound
from callout.http2.outbound import Outbound
from callout.serve.protocol import GrpcProtocol
from callout.serve.streaming import Stream
from tests.fuzz import services
from tests.fuzz.campaign import SHARES, Campaign, live_objects
from tests.fuzz.conversation import FOUND, RECORDINGS, in_folder
from tests.fuzz.mutate import Spoiler

INPUTS = 200_000
FIRST_SEED = 1
TOLERATED = 3000
"""Objects that may be more after half of the inputs than before it. Caches that are bounded still
fill; one object kept for an input would be 30,000 more."""


def explained(campaign: Campaign) -> str:
    return "\n\n".join(
        f"{each.given.target} {each.given.seed}: {each.what}"
        for each in campaign.report.findings[:5]
    )


@pytest.mark.timeout(600)
async def test_200_000_spoiled_inputs_raise_nothing_allow_nothing_and_leave_nothing(capsys):
    campaign = Campaign()
    await campaign.run(campaign.cuts())
    left = INPUTS - campaign.report.total
    parts = [left * share // sum(SHARES.values()) + 1 for share in SHARES.values()]
    objects = []
    for half in range(2):
        for name, size in zip(SHARES, parts, strict=True):
            start = FIRST_SEED + half * (size // 2 + 1)
            await campaign.run(campaign.inputs(name, range(start, start + size // 2 + 1)))
        objects.append(live_objects())
    report = campaign.report
    with capsys.disabled():
        print(
            f"\n{report.table()}\nlive objects: {objects[0]:,} at half, {objects[1]:,} at the end"
        )
    assert not report.findings, explained(campaign)
    assert report.total >= INPUTS
    assert all(report.inputs[name] >= size for name, size in zip(SHARES, parts, strict=True))
    assert objects[1] - objects[0] < TOLERATED


async def test_what_was_found_once_holds():
    campaign = Campaign()
    found = in_folder(FOUND)
    assert found
    for given in found.values():
        await campaign.take(given)
    assert not campaign.report.findings, explained(campaign)


def test_there_are_recordings_of_each_client():
    names = list(in_folder(RECORDINGS))
    assert len(names) >= 9
    for client in ("grpcio", "envoy", "h2load"):
        assert any(name.startswith(client) for name in names)
    for each in in_folder(RECORDINGS).values():
        assert len(each.reads) >= 3
        assert len(each.data) < 50_000


def test_a_seed_is_an_input():
    spoiler = Spoiler(in_folder(RECORDINGS))
    for seed in range(200):
        assert spoiler.spoil("connection", seed) == spoiler.spoil("connection", seed)


# Mistakes, each where the fuzzer must find it.


def _raise_deep_inside(patch: pytest.MonkeyPatch) -> None:
    usual = Inbound._on_trailers

    def broken(self, stream_id, stream, headers, ended, self_dependent, events):
        if not headers:
            raise KeyError("no field")
        usual(self, stream_id, stream, headers, ended, self_dependent, events)

    patch.setattr(Inbound, "_on_trailers", broken)


def _forget_the_connection_window(patch: pytest.MonkeyPatch) -> None:
    usual = Outbound._flush

    def broken(self):
        self._send_window += 100_000
        return usual(self)

    patch.setattr(Outbound, "_flush", broken)


def _miscount_what_waits(patch: pytest.MonkeyPatch) -> None:
    usual = Outbound._drop

    def broken(self, stream_id, stream):
        usual(self, stream_id, stream)
        self.queued += len(stream.pending or b"")

    patch.setattr(Outbound, "_drop", broken)


def _take_any_padding(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(inbound, "_without_padding", lambda payload: payload[1 : -payload[0] or None])


def _skip_the_huffman_check(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("callout.http2.hpack._is_padded_well", lambda *_: True)


def _inflate_without_a_limit(patch: pytest.MonkeyPatch) -> None:
    usual = framing.unpack
    patch.setattr(
        "tests.fuzz.targets.unpack", lambda each, gzip, _limit: usual(each, gzip, 1 << 30)
    )


def _keep_ended_calls(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Stream, "cancel", lambda self: None)


def _forget_to_count_down(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(GrpcProtocol, "_stop", lambda self, state: None)


def _allow_everybody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(services, "USER", "somebody else")


def _mix_up_answers(patch: pytest.MonkeyPatch) -> None:
    # An answer that goes to the stream before, of a request that may have been denied.
    usual = Connection.respond
    last = {}

    def broken(self, stream_id, head, data, trailers):
        data, last[0] = last.get(0, data), data
        usual(self, stream_id, head, data, trailers)

    patch.setattr(Connection, "respond", broken)


def _be_slow(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("tests.fuzz.campaign.SLOW", 0.02)
    patch.setattr(Floods, "ping", lambda _self: sum(range(2_000_000)))


PLANTED: dict[Callable[[pytest.MonkeyPatch], None], tuple[str, str]] = {
    _raise_deep_inside: ("connection", "KeyError"),
    _miscount_what_waits: ("connection", "queued output is miscounted"),
    _forget_the_connection_window: ("connection", "more is sent than the window allows"),
    _take_any_padding: ("connection", ""),
    _skip_the_huffman_check: ("hpack", "two decoders disagree"),
    _inflate_without_a_limit: ("messages", "a message bomb"),
    _keep_ended_calls: ("transport", "outlives its connection"),
    _forget_to_count_down: ("transport", "outlives its connection"),
    _allow_everybody: ("transport", "an OK that the policy denies"),
    _mix_up_answers: ("transport", ""),
    _be_slow: ("connection", "of processor time"),
}
ENOUGH = 8000


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__.strip("_"))
async def test_a_mistake_is_found(plant, monkeypatch):
    target, words = PLANTED[plant]
    campaign = Campaign()
    plant(monkeypatch)
    for given in campaign.inputs(target, range(ENOUGH)):
        found = await campaign.take(given)
        if found is not None and words in found.what:
            return
    pytest.fail(f"not found in {ENOUGH} inputs")


def test_numbers_of_a_target_are_not_those_of_its_bytes():
    given = Spoiler(in_folder(RECORDINGS)).spoil("connection", 7)
    assert given.chance.random() != random.Random(7).random()
