"""One OPA server: how many questions it has, and whether it is asked at all."""

import asyncio
import contextvars
import random
import time
from typing import Any, Final

import aiohttp
import structlog

from callout.observe.paced import Paced
from extauthz.policy.engine import UNDEFINED, Answer, PolicyFailed
from extauthz.policy.errors import BuiltinError
from extauthz.policy.opa_server.access import NoAccess
from extauthz.policy.opa_server.breaker import Breaker
from extauthz.policy.opa_server.client import OpaClient
from extauthz.policy.opa_server.in_flight import PART, InFlight

_log = structlog.get_logger("gatewright.opa")

MOST_PATIENT: Final = 0.1
"""Seconds without any answer, at most, that a server may take while it owes one: OPA answers in
0.2 to 10 ms, and its pauses are of a few."""
LEAST_PATIENT: Final = 0.01
"""At least, however short the caller's time: it is no sign of an outage."""


def patience(seconds: float) -> float:
    """How long a server may be silent, of the time that a question has."""
    return min(MOST_PATIENT, max(LEAST_PATIENT, PART * seconds))


class Server:
    """Asked as long as it answers; one that does not is probed until it does."""

    def __init__(self, client: OpaClient, bundles: bool) -> None:
        """`bundles`: whether it is well only when it has its policies."""
        self.name = client.name
        self.in_flight = InFlight()
        """What it is asked now."""
        self.breaker = Breaker()
        self.questions = 0
        """Since the beginning."""
        self.failures = 0
        """Of them, those that it did not answer."""
        self.heard = float("-inf")
        """When it last answered a question."""
        self._client = client
        self._bundles = bundles
        self._paced = Paced()
        self._prober: asyncio.Task[None] | None = None
        self._chance = random.Random().random  # noqa: S311 - spreads probes, keeps nothing secret

    async def ask(self, path: str, document: dict[str, Any], until: float) -> Answer | PolicyFailed:
        """The value of a document; what is not answered is `opa_unavailable`.

        A time that is over, and a caller who gives up, count against the server only if it was
        silent all the while: one that answers others is there, however hard this question is.

        Args:
            path: of the document: `shop/allow`.
            document: the input.
            until: the time, of `time.monotonic`, when an answer is worth nothing any more.
        """
        # Not the loop's clock: uvloop's stands still while it works off what has come.
        began = time.monotonic()
        among = self.in_flight.asked()
        self.questions += 1
        broken = patient = ""
        answer: Answer | PolicyFailed = None
        try:
            async with asyncio.timeout_at(until):
                reply = await self._client.ask(path, document, began)
            answer = _value(reply)
        except TimeoutError:
            patient = "the OPA server did not answer in time"
        except asyncio.CancelledError:
            patient = "its callers gave up"
            raise
        except aiohttp.ClientResponseError as error:
            message = f"the OPA server answered {error.status}"
            # OPA's 500 is an error of the policy, with this input; above is a proxy before it
            broken = message if error.status > 500 else ""
            answer = PolicyFailed("opa_error", message)
        except (aiohttp.ClientError, OSError) as error:
            broken = f"the OPA server cannot be reached: {type(error).__name__}"
        except NoAccess as error:
            # says nothing about the server
            return PolicyFailed("opa_error", f"what the server is shown cannot be read: {error}")
        except (ValueError, BuiltinError, RecursionError) as error:
            answer = PolicyFailed("opa_error", f"no usable JSON: {type(error).__name__}")
        finally:
            now = time.monotonic()
            self.in_flight.answered(among, began, until, now)
            silent = now - max(began, self.heard) >= patience(until - began)
            if broken or (patient and silent):
                self._failed(broken or patient, now)
        if broken or patient:
            return PolicyFailed("opa_unavailable", broken or patient, unanswered=True)
        self.heard = now
        if self.breaker.answered():
            self._back(now)
        if now >= until and not isinstance(answer, PolicyFailed):
            message = "the OPA server's answer came too late"
            return PolicyFailed("opa_unavailable", message, unanswered=True)
        return answer

    async def close(self) -> None:
        """Ends the probes and the connections."""
        if self._prober is not None:
            self._prober.cancel()
            await asyncio.wait([self._prober])
        await self._client.close()

    def _failed(self, why: str, now: float) -> None:
        self.failures += 1
        if not self.breaker.failed(now, self._chance()):
            return
        if (silent := self._paced.due("gone", now)) is not None:
            _log.warning("an OPA server is away", server=self.name, why=why, silent=silent)
        if self._prober is None or self._prober.done():
            # Its own context: the probes are no part of this question's trace.
            probing = self._until_back()
            self._prober = asyncio.create_task(probing, context=contextvars.Context())

    async def _until_back(self) -> None:
        breaker = self.breaker
        while breaker.state != "closed":
            await asyncio.sleep(max(0.0, breaker.probe_at - time.monotonic()))
            breaker.probing()
            well = await self._client.is_well(self._bundles, time.monotonic())
            now = time.monotonic()
            if breaker.state == "half_open":
                breaker.probed(well, now, self._chance())
                if well:
                    self._back(now)

    def _back(self, now: float) -> None:
        if (silent := self._paced.due("back", now)) is not None:
            _log.warning("an OPA server is back", server=self.name, silent=silent)


def _value(reply: object) -> Answer | PolicyFailed:
    if not isinstance(reply, dict):
        return PolicyFailed("opa_error", "the OPA server's answer is no object")
    value: Answer = reply.get("result", UNDEFINED)
    return value
