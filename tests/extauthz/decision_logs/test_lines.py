"""Events as lines: of a file that is rotated, of standard output that several workers share."""

import json
from contextlib import closing
from pathlib import Path

from callout.testing.redis import RedisServer
from tests.end_to_end.conftest import until
from tests.extauthz.decision_logs.running import BUNDLE, allowed, ask, id_of, serving


def _ids(text: str) -> list[str]:
    return [
        each["decision_id"]
        for each in map(json.loads, text.splitlines())
        if each.get("type") == "openpolicyagent.org/decision_logs"
    ]


def test_a_file_may_be_rotated_by_its_name(tmp_path: Path) -> None:
    file, old = tmp_path / "decisions.jsonl", tmp_path / "decisions.jsonl.1"
    with closing(serving(tmp_path, file=str(file))) as serve, serve.client() as client:
        ids = [id_of(ask(client)) for _ in range(20)]
        until(lambda: file.read_text().count("\n") == 20)
        file.rename(old)
        while not file.exists():
            ids.append(id_of(ask(client)))
        until(lambda: file.read_text().endswith("\n"))
        until(lambda: serve.metric("gatewright_decision_log_events_total") == len(ids))
    assert _ids(old.read_text()) + _ids(file.read_text()) == ids
    line = json.loads(old.read_text().splitlines()[0])
    assert line["msg"] == "Decision Log"


def test_a_file_that_takes_nothing_costs_no_request(tmp_path: Path) -> None:
    with closing(serving(tmp_path, file="/dev/full")) as serve, serve.client() as client:
        assert all(allowed(ask(client)) for _ in range(20))
        until(lambda: serve.metric("gatewright_decision_log_waiting") == 20)
        assert serve.said("decision logs cannot be written")


def test_lines_of_several_workers_are_whole(tmp_path: Path, redis_server: RedisServer) -> None:
    """Each is longer than what a pipe keeps together by itself."""
    flags = ("--workers", "2", "--redis", redis_server.url)
    noise = {"x-noise": "n" * 9_000}
    with closing(serving(tmp_path, BUNDLE, *flags, stdout="true")) as serve:
        ids = []
        for _ in range(12):
            with serve.client() as client:
                ids += [id_of(ask(client, headers=noise)) for _ in range(20)]
        until(lambda: serve.log.count("Decision Log") == len(ids))
        until(lambda: serve.log.endswith("\n"))
        lines = [each for each in serve.log.splitlines() if "Decision Log" in each]
        assert sorted(_ids("\n".join(lines))) == sorted(ids)
        assert len({json.loads(each)["labels"]["id"] for each in lines}) == 2
