"""`python -m evaluate publish`: numbers of a run into docs/results, and all tables and figures from there."""

import argparse
from pathlib import Path

from evaluate.commands.common import Commands, add_parser, console

EPILOG = """\
examples:
  python -m evaluate publish --run runs/sample --name demo --made-by 'make demo'
  python -m evaluate publish            write the docs' tables and figures anew from docs/results
  python -m evaluate publish --check    exit status 2 where a table differs from its file
"""


def add_command(commands: Commands) -> None:
    """Put the command on the command line."""
    summary = "write results into docs/results, and the docs' tables from there"
    parser = add_parser(commands, "publish", summary, _publish, EPILOG)
    add = parser.add_argument
    add("--run", type=Path, help="folder of the run; without it the tables and figures alone")
    add("--name", help="of the published list, such as demo")
    add("--made-by", default="", help="the command that makes these numbers")
    add("--check", action="store_true", help="write nothing; fail where a table is not that of its file")


def _publish(arguments: argparse.Namespace) -> None:
    from evaluate.errors import EvaluateError
    from evaluate.publish import KINDS, draw_figures, fill_pages, publish

    root = Path.cwd()
    if arguments.run is not None:
        if not arguments.name:
            raise EvaluateError("give --name, the name of the published list")
        console.print(f"{publish(arguments.run, arguments.name, arguments.made_by, root)}: written")
    if not arguments.check:
        draw_figures(root)
    stale = [page for page, differs in fill_pages(root, KINDS, write=not arguments.check).items() if differs]
    for page in stale:
        console.print(f"{page}: {'not what its file says' if arguments.check else 'tables written anew'}")
    if arguments.check and stale:
        raise EvaluateError(f"{len(stale)} pages differ from docs/results: python -m evaluate publish writes them anew")
