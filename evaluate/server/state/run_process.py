"""What a run does in its process: indexing, or the search for duplicates."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from evaluate.archive.scope import Scope
from preprocess.executors.options import n_processors
from preprocess.executors.processes import STOP
from store.errors import AvtempoError

REPORT_EVERY_SECONDS = 0.2

Show = Callable[..., None]
"""Receives bytes or sources done, all of them, and perhaps a note."""


def work(run: Callable[[Show], str], report: Callable[[Any], None]) -> tuple[Literal["done", "failed", "stopped"], str]:
    """Do a run; report how far it is a few times a second, and return how it ended, with its result or the cause."""
    signal.signal(STOP, signal.default_int_handler)  # a run saves what it did, as it does after Ctrl-C
    sent_at = 0.0

    def show(done: int, total: int, note: str = "") -> None:
        nonlocal sent_at
        if time.monotonic() - sent_at > REPORT_EVERY_SECONDS or done >= total:
            report((done, total, note))
            sent_at = time.monotonic()

    try:
        return "done", run(show)
    except AvtempoError as error:
        return "failed", str(error)
    except KeyboardInterrupt:
        return "stopped", "stopped; the next run continues from here"


def update_index(show: Show, *, index_folder: Path, folder: Path, retry_failed: bool = False) -> str:
    """Bring an index up to date; `retry_failed` tries unreadable files again."""
    from evaluate.fingerprint.api import Index

    growth = Index.open(index_folder).add(folder, retry_failed=retry_failed, workers=n_processors(), progress=show)
    words = f"{len(growth.added)} added, {len(growth.changed)} changed, {growth.n_sources} sources"
    if growth.unreadable:
        words += f"; {len(growth.unreadable)} cannot be read"
    if growth.unreadable_folders:
        words += f"; folders that cannot be read: {', '.join(growth.unreadable_folders)}"
    return words


def search(show: Show, *, index_folder: Path, scope: Scope, since_last: bool) -> str:
    """Find duplicates; see `find_duplicates`."""
    from evaluate.archive.duplicates import find_duplicates
    from evaluate.fingerprint.api import Index

    index, workers = Index.open(index_folder), n_processors()
    found = find_duplicates(index, scope=scope, since_last=since_last, workers=workers, progress=show)
    words = f"{found.n_compared} sources compared, {len(found.pairs)} pairs"
    return f"{words}, {len(found.segments)} segments of many sources"
