"""`python -m evaluate publish`: a run's numbers into the docs."""

import argparse
from pathlib import Path

from evaluate.commands.common import Commands, console


def add_command(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Put the command on the command line."""
    parser = commands.add_parser(
        "publish", help="a run's or an ablation's results to docs/results, and the tables in the docs from there"
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument("--name", required=True, help="of the published list, such as demo")
    parser.add_argument("--made-by", required=True, help="the command that makes these numbers")
    parser.set_defaults(command=_publish)


def _publish(arguments: argparse.Namespace) -> None:
    from evaluate.publish import fill_tables, publish

    root = Path.cwd()
    console.print(f"{publish(arguments.run, arguments.name, arguments.made_by, root)}: written")
    for page in (root / "README.md", *sorted((root / "docs").rglob("*.md"))):
        if count := fill_tables(page, root):
            console.print(f"{page}: {count} tables written anew")
