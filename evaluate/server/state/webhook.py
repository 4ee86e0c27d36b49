"""Posts what is added to a file of JSON lines to an http or https address, in order, and again until it is taken."""

import asyncio
import json
import logging
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from anyio import to_thread

from evaluate.server.state.opened_index import OpenedIndex
from store.atomic_files import write_text
from store.errors import AvtempoError

_log = logging.getLogger(__name__)
LOOK_EVERY_SECONDS = 0.5
AGAIN_SECONDS = (2.0, 8.0, 60.0)
"""After the first failures; the last one goes on."""
TIMEOUT_SECONDS = 10.0
REFUSED = {*range(400, 500)} - {408, 429}
"""Answers to a line that would be the same another time; so the next line is posted. 408 and 429 ask for another try."""


class _NoRedirects(HTTPRedirectHandler):
    """Treats a redirect as a failure: it would lead to an address that nobody chose."""

    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = build_opener(_NoRedirects)


class Webhook:
    """Posts lines until its task is cancelled; a server that only reads the index posts none.

    How far it came is kept in a file beside the lines, so a restart goes on there. A line may be posted twice if the server
    is killed in between. Lines that were there before it was first made are not posted.
    """

    def __init__(self, address: str, lines: Path, opened: OpenedIndex) -> None:
        self._address, self._lines, self._opened = address, lines, opened
        self._kept = lines.with_name(f"{lines.name}.posted")
        self._begin = self._n_bytes()

    async def run(self) -> None:
        """Post what is added; if the other side fails or the disk is full, try again later."""
        n_failures = 0
        while True:
            pause_seconds = LOOK_EVERY_SECONDS
            try:
                if not self._opened.read_only_reason():
                    while await to_thread.run_sync(self._post_next, abandon_on_cancel=True):
                        n_failures = 0
            except (OSError, HTTPException, AvtempoError) as error:
                pause_seconds = AGAIN_SECONDS[min(n_failures, len(AGAIN_SECONDS) - 1)]
                n_failures += 1
                _log.warning("webhook: %s; tried again in %.0f s", error, pause_seconds)
            await asyncio.sleep(pause_seconds)

    def _post_next(self) -> bool:
        """Post the next line; return whether there was one."""
        kept = self._kept.read_text().strip() if self._kept.exists() else ""
        posted, n_bytes = int(kept) if kept.isdecimal() else self._begin, self._n_bytes()
        if posted > n_bytes:  # the file of lines was begun anew
            posted = 0
        if not kept:
            write_text(self._kept, f"{posted}\n")
        if posted == n_bytes:
            return False
        with self._lines.open("rb") as file:
            file.seek(posted)
            line = file.readline()
        if not line.endswith(b"\n"):
            return False
        try:
            json.loads(line)
        except ValueError:
            pass  # a kill has cut it off
        else:
            self._post(line)
        write_text(self._kept, f"{posted + len(line)}\n")
        return True

    def _n_bytes(self) -> int:
        return self._lines.stat().st_size if self._lines.exists() else 0

    def _post(self, line: bytes) -> None:
        request = Request(self._address, line, {"Content-Type": "application/json"})  # noqa: S310 - http or https by settings
        try:
            _OPENER.open(request, timeout=TIMEOUT_SECONDS).close()
        except HTTPError as error:
            if error.code not in REFUSED:
                raise
            _log.error("the webhook refuses a line of %s: %s", self._lines, error)
