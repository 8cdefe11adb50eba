"""Workers of the face `process` are others than those of decisions.

Rules may take 100 ms for a request, a decision about a limit 20: who waits for one must not wait
behind the other. So each has its own processes and its own address.
"""

from callout.config.limits_settings import Limits
from callout.config.settings import FaceName, Settings

PROCESS: FaceName = "process"


def of_decisions(settings: Settings) -> Settings | None:
    """The settings of those who answer the other faces; None: nobody does."""
    faces = tuple(each for each in settings.faces if each != PROCESS)
    return settings.model_copy(update={"faces": faces}) if faces else None


def of_process(settings: Settings) -> Settings | None:
    """The settings of those who answer `process`; None: nobody does.

    They count nothing and ask nobody: no counters, no Redis, no OPA.
    """
    if PROCESS not in settings.faces:
        return None
    telemetry = settings.telemetry.model_copy(update={"statsd": None})
    return settings.model_copy(
        update={
            "faces": (PROCESS,),
            "limits": Limits(),
            "telemetry": telemetry,
            **dict.fromkeys(("redis", "redis_per_second", "opa", "decision_logs", "xds")),
        }
    )
