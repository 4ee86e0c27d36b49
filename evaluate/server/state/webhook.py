"""Posts JSON to an http or https address, a bounded number of times."""

import asyncio
import logging
from http.client import HTTPException
from urllib.request import HTTPRedirectHandler, Request, build_opener

from anyio import to_thread

_log = logging.getLogger(__name__)
PAUSES_SECONDS = (0.0, 2.0, 8.0)
"""Before each try."""
TIMEOUT_SECONDS = 10.0


class _NoRedirects(HTTPRedirectHandler):
    """Treats a redirect as a failure: it would lead to an address that nobody chose."""

    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = build_opener(_NoRedirects)


async def post(address: str, body: bytes) -> bool:
    """Post JSON; return whether the other side took it. Failures are logged."""
    for number, pause in enumerate(PAUSES_SECONDS, 1):
        await asyncio.sleep(pause)
        try:
            await to_thread.run_sync(_post, address, body)
        except (OSError, HTTPException) as error:
            _log.warning("webhook, try %d of %d: %s", number, len(PAUSES_SECONDS), error)
        else:
            return True
    _log.error("the webhook did not take a line after %d tries; the JSON-lines file holds it", len(PAUSES_SECONDS))
    return False


def _post(address: str, body: bytes) -> None:
    request = Request(address, body, {"Content-Type": "application/json"})  # noqa: S310 - settings allow http and https
    with _OPENER.open(request, timeout=TIMEOUT_SECONDS):
        return
