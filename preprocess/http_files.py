"""Files behind http:// and https:// as a file system of fsspec, whose own one needs another package and lists no sizes.

A folder is a page with links, as web servers write it for a folder without an index page. Only the question for a
file's size is asked again: a file whose size is unknown looks like a changed one to a run that continues.
"""

import functools
import io
import logging
import string
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urljoin, urlsplit, urlunsplit
from urllib.request import Request, build_opener

from fsspec import AbstractFileSystem

PATIENCE_SECONDS = 60.0
"""How long a server may take to connect, or for the next bytes."""
MAX_PAGE_BYTES = 64 << 20
MAX_DEPTH = 32
"""Folders in folders: a link that loops on the server has no end."""
REQUESTS_AT_ONCE = 16
BUSY = (408, 429, 502, 503, 504)
"""Statuses that say nothing about the file. Not 500: some servers answer so to every HEAD."""
PAUSES_SECONDS = (1.0, 4.0)
"""Waits before a size is asked for again."""

_log = logging.getLogger(__name__)


class HttpFiles(AbstractFileSystem):
    """Lists and reads; all errors are OSError, ValueError or http.client.HTTPException."""

    protocol = ("http", "https")
    cachable = False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path  # a path is the whole URL

    def find(self, path: str, *_: Any, **_options: Any) -> dict[str, dict[str, Any]]:
        """List the files below a folder as {URL: {"size": bytes, None if the server does not say}}."""
        files, pages, seen = dict[str, None](), [f"{path}/"], set[str]()
        while pages:
            page = pages.pop()
            if page.count("/") > path.count("/") + MAX_DEPTH:
                raise OSError(f"{page} lies more than {MAX_DEPTH} folders deep; a link may loop")
            seen.add(page)
            for link in _links(page):
                if not link.endswith("/"):
                    files[link] = None
                elif link not in seen:
                    pages.append(link)
        size = functools.partial(_size, pauses=PAUSES_SECONDS)
        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
            return {url: {"size": size} for url, size in zip(files, pool.map(size, files), strict=True)}

    def _open(self, path: str, mode: str = "rb", **_: Any) -> io.RawIOBase:
        if mode != "rb":
            raise io.UnsupportedOperation("web servers are only read; choose another kind of URL")
        return _Body(_request(path))


class _Body(io.RawIOBase):
    """The bytes of a response, which raises where a connection breaks off."""

    def __init__(self, response: HTTPResponse) -> None:
        self._response = response

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n = self._response.readinto(buffer)
        if not n and self._response.length:
            raise OSError(f"the connection broke off {self._response.length} bytes before the end")
        return n

    def close(self) -> None:
        self._response.close()
        super().close()


class _Hrefs(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def _request(url: str, method: str = "GET") -> HTTPResponse:
    return build_opener().open(Request(url, method=method), timeout=PATIENCE_SECONDS)  # noqa: S310 - the caller has http(s)


def _links(page: str) -> Iterator[str]:
    """Yield the URLs below a page that it links to, without their queries; folders end with a slash."""
    with _request(page) as response:
        kind = response.headers.get_content_type()
        if kind != "text/html":
            raise OSError(f"{page} is {kind}, not a page that lists a folder")
        text = response.read(MAX_PAGE_BYTES).decode(response.headers.get_content_charset("utf-8"), "replace")
        base = response.url.rpartition("/")[0] + "/"  # after redirects
    hrefs = _Hrefs()
    hrefs.feed(text)
    for href in hrefs.found:
        try:
            target = urlunsplit((*urlsplit(urljoin(base, href))[:3], "", ""))
        except ValueError as error:
            _log.warning("%s: a malformed link is passed over: %r (%s)", page, href, error)
            continue
        target = quote(target, safe=string.punctuation)  # a space or an umlaut, which browsers escape too
        if target.startswith(base) and target != base:
            yield page + target.removeprefix(base)


def _size(url: str, pauses: tuple[float, ...]) -> int | None:
    """Ask for the size of a file; None if the server does not say it.

    Raises:
        OSError: the server is busy or cannot be reached, also after the pauses.
    """
    try:
        with _request(url, "HEAD") as response:
            length = response.headers["Content-Length"]
        return int(length) if length and length.isdecimal() else None
    except HTTPError as error:
        if error.code not in BUSY:
            return None  # no such file, or a server without HEAD: fetching it will tell
        fault: Exception = error
    except (OSError, HTTPException) as error:
        fault = error
    if not pauses:
        reason = f"the server did not answer when asked for the size of {url}, also later ({fault})"
        raise OSError(f"{reason}: run the same command again when it does") from fault
    time.sleep(pauses[0])
    return _size(url, pauses[1:])
