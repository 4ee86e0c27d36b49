"""What was found, on the terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.questions import Answer


def show(task: str, answer: Answer, seconds: float) -> None:
    """One line a number, and what was not run."""
    console = Console(highlight=False)
    table = Table(title=f"{task}, after {seconds:.0f} s", title_justify="left", box=None)
    table.add_column("way")
    table.add_column("what", overflow="fold")
    table.add_column("", justify="right")
    for result in answer.results:
        table.add_row(escape(result.model), escape(result.metric), f"{result.value:.4g}")
    console.print(table)
    for name, reason in answer.missing.items():
        console.print(f"not run: {escape(name)}: {escape(reason)}", style="yellow")
