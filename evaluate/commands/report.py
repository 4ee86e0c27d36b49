"""`python -m evaluate report`: the page of a run."""

import argparse

from evaluate.commands.common import Commands, add_run_options, console, dataset_name


def add_command(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Put the command on the command line."""
    parser = commands.add_parser("report", help="one HTML page with table, gallery and map")
    add_run_options(parser)
    parser.set_defaults(command=_report)


def _report(arguments: argparse.Namespace) -> None:
    from evaluate.report.page import write_report

    page = write_report(arguments.run, arguments.shards, dataset_name(arguments))
    console.print(f"{page}", highlight=False, soft_wrap=True)
