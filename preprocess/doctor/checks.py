"""One line of the doctor's report, and the check that all packages get."""

import importlib
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

Status = Literal["ok", "note", "broken"]

SET_UP = "make the environment again: delete .venv, then `make setup`"


@dataclass(frozen=True)
class Check:
    """What was looked at and found: "ok", "note" (it works, but know it) or "broken".

    `remedy` says what to do where it is not ok.
    """

    name: str
    status: Status
    found: str
    remedy: str = ""


def package(distribution: str, module: str = "") -> Check:
    """Check that a package is installed and loads; `module` where it is not named like the package."""
    try:
        version = metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return Check(distribution, "broken", "not installed", SET_UP)
    try:
        importlib.import_module(module or distribution)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        return Check(distribution, "broken", f"{version} does not load: {first_line(error)}", SET_UP)
    return Check(distribution, "ok", version)


def first_line(error: Exception) -> str:
    """Shorten an error to what fits into a report."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
