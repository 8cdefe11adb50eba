"""The admin port: what this process does, for people, Prometheus and Kubernetes. Read-only."""

import asyncio
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler

from callout.observe.debug.pages import DebugPages, DebugSources
from callout.observe.guarded import SERVER, Guard, GuardedSite
from callout.observe.secrets import masked


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests may be sent here."""

    ready: bool
    reason: str = ""
    """Why not, for the operator."""


@dataclass(frozen=True, slots=True)
class Effective:
    """What the process runs by."""

    settings: Mapping[str, object]
    """JSON-like, as they took effect; secrets are masked here."""
    digest: str | None = None
    """Of the snapshot that decides; None: nothing good was loaded yet."""
    policies: Sequence[str] = ()
    """Their names."""
    problems: Sequence[str] = ()
    """Of the last load; when there are any, the digest is of an older bundle."""
    workers: Mapping[str, str | None] = field(default_factory=dict)
    """The snapshot's digest of each worker."""
    certificates: Mapping[str, object] | None = None
    """Those in use, and what is wrong with their files; None: no TLS."""


@dataclass(frozen=True, slots=True)
class TextPage:
    """One more page, of plain text."""

    path: str
    what: str
    """In a few words, for the list at `/`."""
    text: Callable[[], str] | None = None
    """Asked at each request, for one at a time; None: the page is there already, and only named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSources:
    """Where the answers come from; each is asked at each request and must be quick."""

    metrics: Callable[[str], tuple[bytes, str]]
    """The exposition for a scrape with this `Accept`, and its type."""
    ready: Callable[[], Readiness]
    version: Mapping[str, str]
    effective: Callable[[], Effective]
    debug: DebugSources | None = None
    """None: there is no `/debug/`."""
    pages: Sequence[TextPage] = ()
    """More pages; if there are any, `/` lists them."""


def application(sources: AdminSources, guard: Guard) -> web.Application:
    """The application: `/metrics /healthz /readyz /version /config`, and `/debug/`."""
    one_scrape = asyncio.Lock()

    async def metrics(request: web.Request) -> web.Response:
        # One in a turn of the loop: whoever asks again and again must not keep us from the workers.
        async with one_scrape:
            body, kind = sources.metrics(",".join(request.headers.getall("Accept", [])))
            await asyncio.sleep(0)
        return web.Response(body=body, headers={"Content-Type": kind})

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        readiness = sources.ready()
        return _json(asdict(readiness), status=200 if readiness.ready else 503)

    async def version(_: web.Request) -> web.Response:
        return _json(sources.version)

    async def config(_: web.Request) -> web.Response:
        return _json(asdict(sources.effective()))

    pages = DebugPages(sources.debug) if sources.debug is not None else None
    middlewares = [guard.middleware, _read_only]
    if pages is not None:
        middlewares.append(pages.middleware)
    app = web.Application(middlewares=middlewares, client_max_size=1)
    if pages is not None:
        app.router.add_routes(pages.routes())
    for path, handler in (
        ("/metrics", metrics),
        ("/healthz", healthz),
        ("/readyz", readyz),
        ("/version", version),
        ("/config", config),
    ):
        app.router.add_get(path, handler)
    _add_pages(app, sources.pages)
    app.on_response_prepare.append(_add_headers)
    return app


def _add_pages(app: web.Application, pages: Sequence[TextPage]) -> None:
    one_page = asyncio.Lock()

    def shown(text: Callable[[], str]) -> Handler:
        async def handler(_: web.Request) -> web.Response:
            async with one_page:
                body = text()
                await asyncio.sleep(0)
            return web.Response(text=body)

        return handler

    listed = "".join(f"{each.path}: {each.what}\n" for each in pages)
    if pages:
        app.router.add_get("/", shown(lambda: listed))
    for each in pages:
        if each.text is not None:
            app.router.add_get(each.path, shown(each.text))


async def serve(sources: AdminSources, listening: socket.socket) -> web.AppRunner:
    """Answers on a bound socket, TCP or Unix, until the runner's `cleanup` is awaited.

    Args:
        sources: where the answers come from.
        listening: of `callout.serve.address.bind`; closed with the runner.
    """
    guard = Guard()
    runner = web.AppRunner(application(sources, guard), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await GuardedSite(runner, listening, guard).start()
    return runner


@web.middleware
async def _read_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.can_read_body:
        # Nothing here takes one, and an unread one would be waited for.
        refusal = web.Response(status=413, text="no request bodies here\n")
        refusal.force_close()
        return refusal
    return await handler(request)


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"


def _json(value: object, status: int = 200) -> web.Response:
    text = json.dumps(masked(value), indent=2, default=str) + "\n"
    return web.json_response(text=text, status=status)
