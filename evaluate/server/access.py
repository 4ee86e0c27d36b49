"""Who may ask: the token, the host, the site that a request comes from; and the headers that every answer carries."""

import hashlib
import hmac
import ipaddress
import re
import socket
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evaluate.server.pages import locked
from evaluate.server.problems import answer
from evaluate.server.settings import ServerSettings

READING = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",  # another port of this machine is the same site, with its cookies
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Access:
    """ASGI middleware: nothing but the style of the pages is answered without the token."""

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app, self._token = app, settings.token
        # The port is no part of a cookie's place, so each token has a name of its own: two servers do not mix theirs up.
        secret = hashlib.sha256(b"cookie of " + settings.token.encode()).hexdigest()
        self._cookie, self._cookie_value = f"avtempo-{secret[:12]}", secret[12:]
        self._names = {"localhost", settings.host.lower(), *(name.lower() for name in settings.names)}
        if not _is_loopback(settings.host):
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a refusal, or hand the request on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        response = self._refusal(scope)
        await (response or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the answer to a request that may not pass; None for all others."""
        headers = Headers(scope=scope)
        if not self._is_host(headers.get("host", "")):
            return answer(
                400, "this server does not have the host name of the request; use the address that it printed"
            )
        if scope["path"].startswith("/static/") and scope["method"] in READING:
            return None
        return self._without_right(scope, headers)

    def _without_right(self, scope: Scope, headers: Headers) -> Response | None:
        path, method = scope["path"], scope["method"]
        is_api = path.startswith("/api/")
        given = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        if not is_api and method in READING and self._is_token(given.get("token", "")):
            return self._entrance(path, given)
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(bearer.strip()):
            return None
        if not hmac.compare_digest(self._of_cookie(headers).encode(), self._cookie_value.encode()):
            words = "the token is missing or wrong; send the header `Authorization: Bearer TOKEN`"
            return answer(401, words) if is_api or method not in READING else locked()
        if method not in READING and not _is_same_origin(headers):
            return answer(403, "the request comes from another site; send the token in the header Authorization")
        return None

    def _entrance(self, path: str, given: dict[str, str]) -> Response:
        """Turn a token in the address into a cookie, so that it does not stay in the history and in logs."""
        rest = urlencode({name: value for name, value in given.items() if name != "token"})
        response = RedirectResponse("/" + path.lstrip("/\\") + ("?" + rest if rest else ""), 303)
        response.set_cookie(self._cookie, self._cookie_value, httponly=True, samesite="strict", path="/")
        return response

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())

    def _of_cookie(self, headers: Headers) -> str:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return ""
        return found.value if found else ""

    def _is_host(self, host: str) -> bool:
        """Whether a host is an address, or a name of this server: an attacker's page has a name that leads here."""
        found = re.fullmatch(r"(\[([0-9a-fA-F:.]+)\]|([^:]*))(:\d*)?", host)
        name = (found[2] or found[3] or "").lower() if found else ""
        return name in self._names or _is_address(name)


def _is_same_origin(headers: Headers) -> bool:
    """Whether the browser says that a page of this server sends the request."""
    origin = headers.get("origin")
    if origin is not None:
        return origin.partition("://")[2] == headers.get("host")
    return headers.get("sec-fetch-site") == "same-origin"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)
