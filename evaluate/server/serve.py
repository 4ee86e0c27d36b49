"""Runs the application with uvicorn until it is interrupted."""

import socket
import webbrowser
from collections.abc import Callable
from types import FrameType
from typing import Any
from urllib.parse import quote

import uvicorn

from evaluate.errors import EvaluateError
from evaluate.fingerprint.index.archive import ARCHIVE_FILE
from evaluate.server.access import HAS_TOKEN
from evaluate.server.app import make_app
from evaluate.server.settings import ServerSettings
from evaluate.server.state.parts import Parts

MOST_CONNECTIONS = 1000
PATIENCE_SECONDS = 10
"""So long, at most twice, a connection is kept without a request that has the token; 1 s if half of all are taken."""
SHUTDOWN_SECONDS = 2
"""Time that open connections, such as those of progress, get at the end."""


def serve(settings: ServerSettings, port: int, say: Callable[[str], None], *, opens: bool = False) -> None:
    """Read the index, say the address, open it in a browser if asked to, and serve; port 0 is a free one.

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
            timeout_graceful_shutdown=SHUTDOWN_SECONDS, lifespan="on", http="h11", ws="none",
            limit_concurrency=MOST_CONNECTIONS,
        )  # fmt: skip
        _Server(config, app.state.parts).run(sockets=[bound])


class _Server(uvicorn.Server):
    """Closes connections that show no token, and tells the application that it ends before uvicorn waits for others."""

    def __init__(self, config: uvicorn.Config, parts: Parts) -> None:
        super().__init__(config)
        self._parts = parts
        self._quiet = dict[Any, Any]()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note the signal."""
        self._parts.ending.set()
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Close the connections that wait for the same request or answer as at the look before; ten ticks are a second."""
        connections: set[Any] = self.server_state.connections
        if counter % (10 if len(connections) > MOST_CONNECTIONS / 2 else 10 * PATIENCE_SECONDS) == 0:
            quiet = {each: each.cycle for each in connections if not _serves(each)}
            for each in quiet.keys() & self._quiet.keys():
                if quiet[each] is self._quiet[each]:
                    each.transport.abort()
            self._quiet = quiet
        return await super().on_tick(counter)


def _serves(connection: Any) -> bool:
    """Whether a request with the token is being answered."""
    cycle = connection.cycle
    return bool(cycle and not cycle.response_complete and connection.scope["state"].get(HAS_TOKEN))


def _bound(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=512)
    except (OSError, OverflowError) as error:
        raise EvaluateError(f"{host}:{port} cannot be served: {error}; give another --port or --host") from error
