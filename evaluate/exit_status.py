"""Exit status and error message of a command."""

from collections.abc import Callable

from rich.console import Console

from store.errors import EXPLAINED, explain

errors = Console(stderr=True)


def exit_status(work: Callable[[], object]) -> int:
    """Run a command; 0 success, 2 an error that was explained, 130 interrupted."""
    try:
        work()
    except EXPLAINED as error:
        errors.print(f"error: {explain(error)}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        errors.print("interrupted; run the same command again")
        return 130
    return 0
