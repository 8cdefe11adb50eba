"""The counters that are asked about most, of all workers together."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

MOST: Final = 100
"""Counters that are shown."""
SHOWN: Final = 20
"""Unless said otherwise."""


def together(answers: Iterable[Mapping[str, Any]], most: int) -> dict[str, Any]:
    """What the workers said, as one list, the most asked first.

    Args:
        answers: of each worker `seconds` and `requests`, and `counters`, each with an `id` that is
            the same at all workers, its name as it may be seen, and at least how many asked.
        most: how many are shown.
    """
    seconds, requests = 0.0, 0
    names: dict[str, str] = {}
    asked: dict[str, int] = {}
    for answer in answers:
        seconds = max(seconds, answer["seconds"])
        requests += answer["requests"]
        for each in answer["counters"]:
            names[each["id"]] = each["counter"]
            asked[each["id"]] = asked.get(each["id"], 0) + each["requests"]
    first = sorted(asked, key=lambda each: (-asked[each], each))[:most]
    return {
        "seconds": round(seconds, 1),
        "requests": requests,
        "counters": [
            {
                "counter": names[each],
                "requests": asked[each],
                "share": round(asked[each] / max(requests, 1), 4),
            }
            for each in first
        ],
    }
