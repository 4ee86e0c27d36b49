"""`python -m evaluate serve`: the archive in a browser, and an API for programs."""

import argparse
import os
from pathlib import Path

from evaluate.commands.common import Commands, add_parser, say

TOKEN_VARIABLE = "AVTEMPO_TOKEN"  # noqa: S105 - the name of a variable
EPILOG = """\
examples:
  python -m evaluate serve --index index/archive
      prints an address with a token; open it in a browser. Only this machine can reach it
  python -m evaluate serve --index index/archive --archive /archive
      the index need not exist yet: the page makes it
  python -m evaluate serve --index index/archive --watch /archive/incoming --watch-out matches.jsonl
      files that come in are matched, a line each; they are indexed too if the folder lies in the archive
  python -m evaluate serve --index index/archive --host 0.0.0.0
      other machines can reach it, without encryption; better is a proxy with TLS and --name archive.example

$AVTEMPO_TOKEN is the token, else each start makes one. Programs send it as the header `Authorization: Bearer TOKEN`; /docs
lists the API. Ctrl-C ends the server; a run that goes on is stopped, and what it did is kept.
"""


def add_command(commands: Commands) -> None:
    """Put the command on the command line."""
    summary = "serve an archive: match clips, review copies, keep the index up to date, in a browser or by an API"
    parser = add_parser(commands, "serve", summary, _serve, EPILOG)
    add = parser.add_argument
    add("--index", type=Path, required=True, help="folder of the index")
    add("--archive", type=Path, metavar="FOLDER", help="folder to index (default: the one that was indexed)")
    add("--host", default="127.0.0.1", help="address to listen at (default: %(default)s, this machine only)")
    add("--port", type=int, default=8765, help="0 takes a free one (default: %(default)s)")
    add("--name", action="append", default=[], help="one more host name of the server, such as a proxy's")
    add("--allow", type=Path, action="append", default=[], metavar="FOLDER", help="one more folder that may be read")
    add("--upload-mb", type=int, default=2048, metavar="MB", help="largest upload (default: %(default)s)")
    add("--watch", type=Path, metavar="FOLDER", help="match what comes in here")
    add("--watch-out", type=Path, metavar="FILE", help="JSON lines of these matches (default: INDEX/watched.jsonl)")
    add("--webhook", default="", metavar="URL", help="http or https address to which each line is posted")
    opens = "open the page in a browser; other users of this machine may see its address"
    add("--open", action="store_true", help=opens)


def _serve(arguments: argparse.Namespace) -> None:
    import secrets

    from evaluate.server.serve import serve
    from evaluate.server.settings import MEGABYTE, ServerSettings

    settings = ServerSettings(
        arguments.index.absolute(), os.environ.get(TOKEN_VARIABLE) or secrets.token_urlsafe(32), arguments.archive,
        tuple(arguments.allow), arguments.host, tuple(arguments.name), arguments.upload_mb * MEGABYTE,
        watch_folder=arguments.watch, watch_out=arguments.watch_out, webhook=arguments.webhook,
    )  # fmt: skip
    serve(settings, arguments.port, say, opens=arguments.open)
