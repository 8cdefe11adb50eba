from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.attacks.attacks import ATTACKS
from tests.attacks.neighbours import BUNDLE, ENVIRON, watch
from tests.end_to_end.serve import Serve, write_bundle

TRIES = 3
"""Comparisons: ratios of latencies on a machine that may be doing other things."""


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    folder = tmp_path_factory.mktemp("attacked")
    bundle = write_bundle(folder / "bundle", BUNDLE)
    with closing(Serve(folder, bundle, "--workers", "1", environ=ENVIRON)) as running:
        yield running


@pytest.mark.parametrize("number", range(len(ATTACKS)), ids=[each.name for each in ATTACKS])
def test_an_attack_is_stopped_counted_and_logged_and_others_do_not_notice(
    serve: Serve, number: int
) -> None:
    attack = ATTACKS[number]
    for _ in range(TRIES):
        seen = watch(serve, number, rounds=1)
        assert seen.asked > 20
        assert not seen.failed, seen  # never tried again
        if seen.is_quick and (seen.ended or not attack.ended):
            break
    assert seen.is_quick, seen
    assert seen.ended or not attack.ended, serve.log[-2000:]
    assert seen.refused or not attack.refused, serve.log[-2000:]
    said = serve.said("a connection is ended") + serve.said("a call is refused")
    for word in filter(None, (attack.ended, attack.refused)):
        lines = [each for each in said if each["reason"] == word]
        assert word == "idle" or lines
        assert all(each["peer"] for each in lines)


def test_there_is_a_row_for_every_attack() -> None:
    assert len(ATTACKS) == 22
