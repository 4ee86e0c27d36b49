"""Who may ask: the token, the host, the site that a request comes from; and the headers that every answer carries."""

import asyncio
import hashlib
import hmac
import ipaddress
import re
import socket
from urllib.parse import urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evaluate.server.pages import locked
from evaluate.server.problems import answer
from evaluate.server.settings import ServerSettings

READING = ("GET", "HEAD", "OPTIONS")
HAS_TOKEN = "has_token"  # noqa: S105 - a key of a request's state
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",  # another port of this machine is the same site, with its cookies
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Access:
    """ASGI middleware: nothing but the style of the pages is answered without the token."""

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app, self._token = app, settings.token
        # The port is no part of a cookie's place, so each token has a name of its own: two servers do not mix theirs up.
        secret = hashlib.sha256(b"cookie of " + settings.token.encode()).hexdigest()
        self._cookie, self._cookie_value = f"avtempo-{secret[:12]}", secret[12:]
        self._names = {"localhost", settings.host.lower(), *(name.lower() for name in settings.names)}
        address = _address(settings.host)
        if settings.host != "localhost" and not (address and address.is_loopback):
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a refusal, or hand the request on; one that is cut off at the end of the server ends without an error."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        has_started = False

        async def with_headers(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started, headers = True, MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await (self._refusal(Request(scope)) or self._app)(scope, receive, with_headers)
        except asyncio.CancelledError:
            if not scope["app"].state.parts.ending.is_set():
                raise
            if not has_started:
                await answer(503, "the server ends; start it again")(scope, receive, with_headers)

    def _refusal(self, request: Request) -> Response | None:
        """Return the answer to a request that may not pass; None for all others."""
        headers, path, is_reading = request.headers, request.scope["path"], request.method in READING
        if not self._is_host(headers.get("host", "")):
            words = "this server does not have the host name of the request; use the address that it printed"
            return answer(400, words)
        if path.startswith("/static/") and is_reading:
            return None
        is_api = path.startswith("/api/")
        if not is_api and is_reading and self._is_token(request.query_params.get("token", "")):
            return self._entrance(request)
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if not (scheme.lower() == "bearer" and self._is_token(bearer.strip())):
            given = request.cookies.get(self._cookie, "")
            if not hmac.compare_digest(given.encode(), self._cookie_value.encode()):
                words = "the token is missing or wrong; send the header `Authorization: Bearer TOKEN`"
                return answer(401, words) if is_api or not is_reading else locked()
            if not is_reading and not _is_same_origin(request):
                return answer(403, "the request comes from another site; send the token in the header Authorization")
        setattr(request.state, HAS_TOKEN, True)
        return None

    def _entrance(self, request: Request) -> Response:
        """Turn a token in the address into a cookie, so that it does not stay in the history and in logs."""
        rest = urlencode([each for each in request.query_params.multi_items() if each[0] != "token"])
        response = RedirectResponse("/" + request.scope["path"].lstrip("/\\") + ("?" + rest if rest else ""), 303)
        response.set_cookie(self._cookie, self._cookie_value, httponly=True, samesite="strict", path="/")
        return response

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())

    def _is_host(self, host: str) -> bool:
        """Whether a host is an address, or a name of this server: an attacker's page has a name that leads here."""
        found = re.fullmatch(r"(\[([0-9a-fA-F:.]+)\]|([^:]*))(:\d*)?", host)
        name = (found[2] or found[3] or "").lower() if found else ""
        return name in self._names or _address(name) is not None


def _is_same_origin(request: Request) -> bool:
    """Whether the browser says that a page of this server sends the request."""
    origin = request.headers.get("origin")
    if origin is not None:
        return origin.partition("://")[2] == request.headers.get("host")
    return request.headers.get("sec-fetch-site") == "same-origin"


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
