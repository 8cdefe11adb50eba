from callout.config.bundle import Bundle
from callout.config.problems import Problem, Rejected
from callout.config.reload import Reloader
from callout.config.snapshot import Snapshot, build
from tests.callout.config.writing import Auth, policy

GOOD = Bundle({"a.yaml": policy("a").encode()})
BETTER = Bundle({"a.yaml": policy("b").encode()})
BAD = Bundle({"a.yaml": b"a: ["})


def reloader() -> Reloader:
    return Reloader(lambda bundle: build(bundle, [Auth()]))


def test_before_anything_was_good_there_is_nothing() -> None:
    found = reloader()
    assert (found.snapshot, found.digest) == (None, "")
    assert found.offer(BAD) == "rejected"
    assert found.snapshot is None
    assert found.problems


def test_a_good_bundle_replaces_another_one() -> None:
    found = reloader()
    assert [found.offer(GOOD), found.offer(BETTER)] == ["loaded", "loaded"]
    assert found.digest == BETTER.digest
    assert (found.loaded, found.rejected) == (2, 0)


def test_a_bad_bundle_never_replaces_a_good_one() -> None:
    found = reloader()
    found.offer(GOOD)
    kept = found.snapshot
    assert isinstance(kept, Snapshot)
    assert found.offer(BAD) == "rejected"
    assert found.snapshot is kept
    assert (found.loaded, found.rejected) == (1, 1)
    assert [each.file for each in found.problems] == ["a.yaml"]


def test_what_could_not_be_read_is_rejected_too() -> None:
    found = reloader()
    found.offer(GOOD)
    problem = Problem("a.yaml", 0, 0, "", "expected a readable file, found none")
    assert found.offer(Rejected((problem,))) == "rejected"
    assert found.problems == (problem,)


def test_going_back_to_what_is_in_use_ends_the_error() -> None:
    found = reloader()
    found.offer(GOOD)
    kept = found.snapshot
    found.offer(BAD)
    assert found.offer(GOOD) == "unchanged"
    assert found.snapshot is kept
    assert not found.problems
    assert (found.loaded, found.rejected) == (1, 1)


def test_a_bad_bundle_that_is_offered_again_is_tried_again() -> None:
    found = reloader()
    assert [found.offer(BAD), found.offer(BAD)] == ["rejected", "rejected"]
    assert found.rejected == 2
