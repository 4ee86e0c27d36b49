"""Runs the application with uvicorn until it is interrupted."""

import socket
import webbrowser
from collections.abc import Callable
from types import FrameType
from urllib.parse import quote

import uvicorn

from evaluate.errors import EvaluateError
from evaluate.fingerprint.index.archive import ARCHIVE_FILE
from evaluate.server.app import make_app
from evaluate.server.settings import ServerSettings
from evaluate.server.state.parts import Parts

SHUTDOWN_SECONDS = 2
"""Time that open connections, such as those of progress, get at the end."""


def serve(settings: ServerSettings, port: int, say: Callable[[str], None], *, opens: bool = False) -> None:
    """Read the index, say the address, and serve.

    Args:
        settings: of the server.
        port: 0 for a free one.
        say: prints a line.
        opens: open the page in a browser.

    Raises:
        EvaluateError: there is no index and no folder to index, or the port is taken.
        AvtempoError: the index cannot be read.
    """
    if not (settings.index_folder / ARCHIVE_FILE).is_file() and settings.archive_folder is None:
        raise EvaluateError(f"{settings.index_folder}: there is no index; name the folder to index: --archive FOLDER")
    with _bound(settings.host, port) as bound:
        app = make_app(settings)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"http://{host}:{bound.getsockname()[1]}/?token={quote(settings.token, safe='')}"
        say(f"open {address}")
        if opens:
            webbrowser.open(address)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False,  # a log would hold the token
            timeout_graceful_shutdown=SHUTDOWN_SECONDS, lifespan="on", limit_concurrency=1000,
        )  # fmt: skip
        _Server(config, app.state.parts).run(sockets=[bound])


class _Server(uvicorn.Server):
    """Tells the application that it ends before uvicorn waits for open connections."""

    def __init__(self, config: uvicorn.Config, parts: Parts) -> None:
        super().__init__(config)
        self._parts = parts

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note the signal."""
        self._parts.ending.set()
        super().handle_exit(sig, frame)


def _bound(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=512)
    except (OSError, OverflowError) as error:
        raise EvaluateError(f"{host}:{port} cannot be served: {error}; give another --port or --host") from error
