"""The settings `decision_logs`: decision logs in OPA's event format."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

import pydantic

from callout.config.validate import SECRET, Block, suggest
from callout.observe.decision_masks import MASKS


def _service(text: str) -> str:
    """Without echoing it: there may be a key in it."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
        good = good and not parts.username and not parts.fragment
        _ = parts.port
    except ValueError:
        good = False
    if not good:
        raise ValueError("expected http://HOST/PATH or https://HOST/PATH, without user")
    return text


def _mask(name: str) -> str:
    if name not in MASKS:
        close = suggest(name, MASKS)
        hint = f"; did you mean `{close}`?" if close else ""
        raise ValueError(f"expected the name of a default mask, as the manual lists them{hint}")
    return name


Delay = Annotated[float, pydantic.Field(ge=0.1, le=86_400)]


class DecisionLogs(Block):
    """Where each decision about a request is logged, as an event in OPA's format."""

    url: Annotated[str, SECRET, pydantic.AfterValidator(_service)] | None = pydantic.Field(
        None, repr=False
    )
    """A service that takes OPA's decision logs: where batches are posted, path and all
    (`https://logs.example/logs`)."""
    token_file: str | None = None
    """A file with a bearer token for it, read for each batch: it may be replaced."""
    authorization: Annotated[str, SECRET] | None = pydantic.Field(None, repr=False)
    """Or the value of the header `Authorization` itself, its scheme included."""
    ca: str | None = None
    """Authorities of its certificate, PEM. None: those of the system."""
    cert: str | None = None
    """Our certificate, where it asks for one, PEM; with `key`."""
    key: str | None = None
    """Its private key, PEM, not encrypted."""
    file: str | None = None
    """A file: a JSON object a line. It may be rotated by its name."""
    stdout: bool = False
    """Whether events go to standard output, too, a line each."""
    labels: dict[str, str] = pydantic.Field(default={})
    """Added to each event, beside `id` (of the worker) and `version`."""
    when_full: Literal["drop", "deny"] = "drop"
    """What becomes of decisions that nobody can keep, because a service or a disk is slow, away
    or full. `drop`: no request waits, the oldest events are lost and counted. `deny`: no decision
    is lost; requests are denied with 503 until there is room."""
    buffer: str | None = None
    """A folder in which events wait for the service: they outlive the process. None: in memory.
    Needed for `deny`."""
    buffer_bytes: Annotated[int, pydantic.Field(ge=1 << 20, le=1 << 40)] = 64 << 20
    """Bytes of events that wait for each of the places, in each worker: some 30,000."""
    upload_bytes: Annotated[int, pydantic.Field(ge=90, le=1 << 32)] = 32_768
    """Of one batch, compressed: OPA's default, which services are made for; the bounds are OPA's,
    too. An event that is larger alone is sent without input and result, or dropped."""
    max_per_second: Annotated[float, pydantic.Field(ge=0.001, le=1_000_000)] | None = None
    """Events a second that each worker sends to the service; what is beyond is dropped and
    counted. File and standard output get all. None: no bound."""
    min_delay: Delay = 5.0
    """Seconds between two batches at least, unless one is full before."""
    max_delay: Delay = 10.0
    """Seconds between two batches at most, and between two attempts while the service is away:
    what a worker that is killed loses, without `buffer`."""
    show: tuple[Annotated[str, pydantic.AfterValidator(_mask)], ...] = ()
    """Default masks that do not hold, by name: `[cookie, body]`. All others do."""

    @pydantic.model_validator(mode="after")
    def _fits_together(self) -> "DecisionLogs":
        if self.url is None and self.file is None and not self.stdout:
            raise ValueError("expected at least one of url, file, stdout: events must go somewhere")
        if self.when_full == "deny" and self.url is not None and self.buffer is None:
            raise ValueError("expected buffer beside when_full: deny: memory is lost with a worker")
        if self.when_full == "deny" and self.max_per_second is not None:
            raise ValueError("expected only one of max_per_second, when_full: deny")
        if self.authorization is not None and self.token_file is not None:
            raise ValueError("expected only one of token_file, authorization")
        if (self.cert is None) != (self.key is None):
            raise ValueError("expected both cert and key, or neither")
        if self.min_delay > self.max_delay:
            raise ValueError("expected max_delay of at least min_delay")
        return self
