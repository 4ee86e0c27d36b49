"""The web application: its parts, its routes, and their end."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from anyio import to_thread
from fastapi import APIRouter, FastAPI

from evaluate.server.access import Access
from evaluate.server.api_page import add_api_page
from evaluate.server.pages import add_pages
from evaluate.server.problems import add_handlers
from evaluate.server.routes import archive, duplicates, match, media, runs, verdicts
from evaluate.server.settings import ServerSettings
from evaluate.server.state.copies import Copies
from evaluate.server.state.found_pairs import PairsFinder
from evaluate.server.state.opened_index import OpenedIndex, keep_fresh
from evaluate.server.state.parts import Parts
from evaluate.server.state.queries import Queries
from evaluate.server.state.runs import Runs
from evaluate.server.state.watch import Watch
from store.errors import AvtempoError

LOOK_EVERY_SECONDS = 2.0
_log = logging.getLogger(__name__)


def make_app(settings: ServerSettings) -> FastAPI:
    """Read the index, and build the application around it.

    Raises:
        AvtempoError: the index cannot be read; the message names the remedy.
    """
    opened = OpenedIndex(settings)
    runner = Runs(opened.read_only_reason, lambda: keep_fresh(opened, at_once=True))
    parts = Parts(opened, Queries(opened), runner, Copies(settings.copies_bytes), PairsFinder(opened))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        reason = opened.read_only_reason()
        if reason:
            _log.warning("%s is opened for reading: %s", settings.index_folder, reason)
        tasks = [asyncio.create_task(_keep_fresh(parts))]
        if settings.watch_folder:
            tasks.append(asyncio.create_task(_watch(settings.watch_folder, parts)))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            parts.copies.close()
            await to_thread.run_sync(parts.runs.close)
            parts.queries.close()
            opened.close()

    app = FastAPI(
        title="Avtempo archive", version="1", lifespan=lifespan, docs_url=None, redoc_url=None,
        description="Matches, copies and verdicts of an indexed archive. Every request needs the token.",
    )  # fmt: skip
    api = APIRouter(prefix="/api")
    for each in (archive, runs, match, duplicates, verdicts, media):
        api.include_router(each.router)
    app.include_router(api)
    add_handlers(app)
    add_api_page(app)
    add_pages(app)
    app.add_middleware(Access, settings=settings)
    app.state.parts = parts
    return app


async def _watch(folder: Path, parts: Parts) -> None:
    """Watch a folder; serving goes on if that fails."""
    try:
        await Watch(folder, parts).run()
    except (OSError, AvtempoError) as error:
        _log.error("%s is no longer watched: %s; start the server anew", folder, error)


async def _keep_fresh(parts: Parts) -> None:
    """Read the index anew when another process has changed it."""
    while True:
        await asyncio.sleep(LOOK_EVERY_SECONDS)
        if not parts.runs.is_running():
            await to_thread.run_sync(keep_fresh, parts.opened)
