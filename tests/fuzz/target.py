"""What a kind of file needs to be fuzzed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.hostile import Craft


class UnsoundError(AssertionError):
    """A reader took what it should have refused, or made something that is not whole."""


Read = Callable[[Path, Path], None]
"""Given the folder that was mutated and an empty folder for output: read it in every way there is."""


@dataclass(frozen=True)
class Target:
    """A kind of file.

    Attributes:
        name: of the kind.
        make: fills a folder with a whole specimen.
        read: reads it.
        errors: names, as "module:class", of the errors that may come of it.
        patterns: which files of the specimen are mutated.
        crafted: what is done to a folder besides mutating bytes.
        preload: modules that are loaded before memory is limited.
    """

    name: str
    make: Callable[[Path], None]
    read: Read
    errors: tuple[str, ...]
    patterns: tuple[str, ...] = ("*",)
    crafted: tuple[Craft, ...] = ()
    preload: tuple[str, ...] = field(default=("numpy",))
