"""The web application: its parts, its routes, and their end."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from anyio import to_thread
from fastapi import APIRouter, FastAPI

from evaluate.server.access import Access
from evaluate.server.pages import add_pages
from evaluate.server.problems import add_handlers, described
from evaluate.server.routes import archive, duplicates, match, media, runs, verdicts
from evaluate.server.settings import ServerSettings
from evaluate.server.state.copies import Copies
from evaluate.server.state.found_pairs import PairsFinder
from evaluate.server.state.opened_index import OpenedIndex
from evaluate.server.state.parts import Parts
from evaluate.server.state.processes import Processes
from evaluate.server.state.queries import Queries
from evaluate.server.state.runs import Runs
from evaluate.server.state.watch import Watch
from evaluate.server.state.webhook import Webhook
from preprocess.held_folder import held_folder

LOOK_EVERY_SECONDS = 2.0
_log = logging.getLogger(__name__)


def make_app(settings: ServerSettings) -> FastAPI:
    """Read the index, and build the application around it; AvtempoError if the index cannot be read."""
    opened, processes, held = OpenedIndex(settings), Processes(), ExitStack()
    uploads, copied = (held.enter_context(held_folder(purpose)) for purpose in ("uploads", "copies"))
    copies = Copies(copied, settings.copies_bytes, processes)
    queries, started = Queries(uploads, opened, processes), Runs(processes, opened)
    watch = Watch(settings.watch_folder, opened, queries, started) if settings.watch_folder else None
    webhook = Webhook(settings.webhook, settings.watched_lines, opened) if settings.webhook else None
    parts = Parts(opened, processes, queries, started, copies, PairsFinder(opened, copies), watch)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        reason = opened.read_only_reason()
        if reason:
            _log.warning("%s is opened for reading: %s", settings.index_folder, reason)
        endless = [_keep_fresh(parts), *(each.run() for each in (watch, webhook) if each)]
        tasks = [asyncio.create_task(each) for each in endless]
        for task in tasks:
            task.add_done_callback(_tell_of_error)
        with held:
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await to_thread.run_sync(parts.close)

    app = FastAPI(
        title="Avtempo archive", version="1", lifespan=lifespan, docs_url=None, redoc_url=None,
        description="Matches, copies and verdicts of an indexed archive. Every request needs the token.",
    )  # fmt: skip
    api = APIRouter(prefix="/api", responses=described(400, 401, 403, 422))
    for each in (archive, runs, match, duplicates, verdicts, media):
        api.include_router(each.router)
    app.include_router(api)
    add_handlers(app)
    add_pages(app)
    app.add_middleware(Access, settings=settings)
    app.state.parts = parts
    return app


def _tell_of_error(task: asyncio.Task[None]) -> None:
    """Log the error that ends what should be endless; nobody waits for its result."""
    if not task.cancelled() and (error := task.exception()):
        _log.error("a part of the server has ended; start the server anew", exc_info=error)


async def _keep_fresh(parts: Parts) -> None:
    """Read the index anew when another process has changed it."""
    while True:
        await asyncio.sleep(LOOK_EVERY_SECONDS)
        if not parts.runs.is_running():
            await to_thread.run_sync(parts.opened.refresh)
