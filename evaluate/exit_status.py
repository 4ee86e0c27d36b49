"""Exit status and error message of a command."""

from collections.abc import Callable

from rich.console import Console

from store.errors import AvtempoError

errors = Console(stderr=True)


def exit_status(work: Callable[[], object]) -> int:
    """Run a command; 0 success, 2 an error that was explained, 130 interrupted."""
    try:
        work()
    except (AvtempoError, PermissionError) as error:
        # Not every question about a path is guarded: some folder may be closed to this user.
        remedy = ": change its owner or mode" if isinstance(error, PermissionError) else ""
        errors.print(f"error: {error}{remedy}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        errors.print("interrupted; run the same command again")
        return 130
    return 0
