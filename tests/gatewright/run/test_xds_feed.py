"""A directory and a management server as one bundle: the last good of each, by the one reload."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from callout.config.bundle import Bundle
from callout.config.limits_settings import Limits
from callout.config.problems import Problem, Rejected
from callout.config.reload import Reloader
from callout.config.section import Section
from callout.config.snapshot import Snapshot, build
from gatewright.bundle.sections import SECTIONS, sections
from gatewright.run.xds_feed import NAME, XdsFeed
from ratelimit.domains import load
from ratelimit.xds.options import XdsOptions
from tests.ratelimit.xds.ads_server import AdsServer
from tests.ratelimit.xds.test_client import SOON, resource, until

LOCAL = "domain: local\n"


class Offers:
    """The reload rule of the service, without its processes."""

    def __init__(self, read_by: Sequence[Section] = SECTIONS) -> None:
        self.reloader: Reloader[Snapshot] = Reloader(lambda bundle: build(bundle, read_by))
        self.times = 0

    async def __call__(self, bundle: Bundle | Rejected) -> tuple[Problem, ...]:
        self.times += 1
        self.reloader.offer(bundle)
        return self.reloader.problems

    @property
    def domains(self) -> set[str]:
        snapshot = self.reloader.snapshot
        return set() if snapshot is None else set(snapshot.parts["limits"])  # type: ignore[call-overload]  # a mapping


@pytest.fixture
def ads() -> Iterator[AdsServer]:
    server = AdsServer().start()
    yield server
    server.stop()


@contextlib.asynccontextmanager
async def feeding(
    folder: Path, ads: AdsServer, initial_fetch_timeout: float = 0.0, merge: bool = False
) -> AsyncIterator[tuple[XdsFeed, Offers]]:
    options = XdsOptions(ads.address, "node", None, 1 << 20, SOON, hold=0.1)
    offers = Offers(sections(Limits(merge_domains=merge)))
    feed = XdsFeed(
        str(folder),
        options,
        initial_fetch_timeout,
        offers,
        on_failure=lambda: None,
        read=partial(load, merge=merge),
    )
    task = asyncio.create_task(feed.run())
    try:
        yield feed, offers
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "bundle"
    (made / "ratelimit").mkdir(parents=True)
    (made / "ratelimit" / "local.yaml").write_text(LOCAL)
    return made


async def test_nothing_is_offered_before_the_server_has_answered(
    folder: Path, ads: AdsServer
) -> None:
    async with feeding(folder, ads) as (feed, offers):
        await until(lambda: feed._newest is not None)
        assert feed.missing == (NAME,)
        assert offers.times == 0
        ads.put(resource("one"))
        await until(lambda: offers.domains == {"local", "one"})
        assert feed.missing == ()


async def test_without_an_answer_in_time_the_directory_is_offered_alone(
    folder: Path, ads: AdsServer
) -> None:
    async with feeding(folder, ads, initial_fetch_timeout=0.1) as (feed, offers):
        await until(lambda: offers.domains == {"local"})
        assert feed.missing == ()
        ads.put(resource("one"))
        await until(lambda: offers.domains == {"local", "one"})


async def test_what_comes_first_waits_for_a_good_directory(folder: Path, ads: AdsServer) -> None:
    (folder / "bad.yaml").write_text("kind: Nonsense\n")
    ads.put(resource("one"))
    async with feeding(folder, ads) as (_, offers):
        await until(ads.acked)
        await until(lambda: offers.reloader.problems)
        assert offers.domains == set()
        (folder / "bad.yaml").unlink()
        await until(lambda: offers.domains == {"local", "one"})


async def test_a_domain_in_several_resources_is_one_where_the_settings_say_so(
    folder: Path, ads: AdsServer
) -> None:
    ads.put(resource("one", "a"), resource("one", "b"), resource("local"))
    async with feeding(folder, ads) as (_, offers):
        await until(lambda: len(ads.nacks()) > 0)
        assert offers.domains == set()
    async with feeding(folder, ads, merge=True) as (_, offers):
        await until(lambda: offers.domains == {"local", "one"})


async def test_a_mistake_of_the_server_alone_is_never_offered(folder: Path, ads: AdsServer) -> None:
    async with feeding(folder, ads) as (_, offers):
        ads.put(resource("one"))
        await until(ads.acked)
        await until(lambda: offers.domains == {"local", "one"})
        before = offers.times
        ads.put(resource("one"), resource("gatewright"))
        await until(ads.nacks)
        assert "gatewright" in ads.nacks()[0]
        assert offers.times == before
        assert offers.reloader.problems == ()


async def test_what_was_refused_is_judged_again_only_when_the_directory_has_changed(
    folder: Path, ads: AdsServer
) -> None:
    async with feeding(folder, ads) as (_, offers):
        ads.put(resource("one"))
        await until(lambda: offers.domains == {"local", "one"})
        ads.put(resource("local"))
        await until(lambda: len(ads.nacks()) >= 2)
        before = offers.times
        await until(lambda: len(ads.nacks()) >= 4)
        assert offers.times == before
        (folder / "ratelimit" / "other.yaml").write_text("domain: other\n")
        (folder / "ratelimit" / "local.yaml").unlink()
        await until(lambda: offers.domains == {"local", "other"})
        await until(ads.acked)
        assert offers.reloader.problems == ()


async def test_a_server_that_goes_back_to_what_was_good_ends_the_problem(
    folder: Path, ads: AdsServer
) -> None:
    async with feeding(folder, ads) as (_, offers):
        ads.put(resource("one"))
        await until(lambda: offers.domains == {"local", "one"})
        ads.put(resource("local"))
        await until(lambda: offers.reloader.problems)
        ads.put(resource("one"))
        await until(ads.acked)
        assert offers.reloader.problems == ()
        assert offers.domains == {"local", "one"}


async def test_a_new_stream_with_the_same_offers_nothing(folder: Path, ads: AdsServer) -> None:
    ads.put(resource("one"), resource("two"))
    async with feeding(folder, ads) as (_, offers):
        await until(lambda: offers.domains == {"local", "one", "two"})
        before = offers.times
        ads.put(resource("two"), resource("one"))
        ads.break_streams()
        await until(lambda: ads.streams >= 2)
        await until(ads.acked)
        assert offers.times == before


async def test_a_mistake_of_the_directory_is_told_on_while_the_server_goes_on(
    folder: Path, ads: AdsServer
) -> None:
    ads.put(resource("one"))
    async with feeding(folder, ads) as (_, offers):
        await until(lambda: offers.domains == {"local", "one"})
        (folder / "bad.yaml").write_text("kind: Nonsense\n")
        await until(lambda: offers.reloader.problems)
        ads.put(resource("two"))
        await until(ads.acked)
        assert offers.domains == {"local", "two"}
        assert "bad.yaml" in str(offers.reloader.problems)
        (folder / "bad.yaml").unlink()
        await until(lambda: not offers.reloader.problems)
        assert offers.domains == {"local", "two"}
