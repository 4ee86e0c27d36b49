"""The process that reads what was mutated, and may crash or hang: one line for the beginning and the end of every case.

Memory is limited, so that a file that claims terabytes is noticed on any machine.
"""

import contextlib
import faulthandler
import importlib
import json
import os
import resource
import shutil
import sys
import traceback
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.fuzz.hostile import note_mutated
from tests.fuzz.mutate import mutate
from tests.fuzz.target import Target, UnsoundError
from tests.fuzz.targets import find_target

CRAFTED_SHARE = 0.4
MEMORY_BYTES = 4 << 30
"""Address space beyond what the process has when it begins."""
CANARY = "canary"


def prepare(target: Target, work: Path, specimen: Path, seed: int, number: int) -> None:
    """Make case `number`: a copy of the specimen with one thing changed."""
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(specimen, work)
    rng = np.random.default_rng([seed, zlib.crc32(target.name.encode()), number])
    if target.crafted and rng.uniform() < CRAFTED_SHARE:
        target.crafted[rng.integers(len(target.crafted))](work, rng, work.parent / CANARY)
        return
    files = sorted(path for pattern in target.patterns for path in work.rglob(pattern) if path.is_file())
    path = files[rng.integers(len(files))]
    path.write_bytes(mutate(path.read_bytes(), rng))
    note_mutated(work, path)


def judge(target: Target, work: Path, out: Path) -> str:
    """Read a case; return "read", "refused: ..." or "FOUND: ..."."""
    before = _seen(work.parent)
    try:
        target.read(work, out)
        said = "read"
    except UnsoundError as error:
        said = f"FOUND: {error}"
    except Exception as error:  # noqa: BLE001 - which errors come is what is asked
        allowed = tuple(_class(name) for name in target.errors)
        frames = [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)][-4:]
        is_typed = isinstance(error, allowed)
        text = f"{type(error).__name__}: {str(error)[:160]}"
        said = f"refused: {type(error).__name__}" if is_typed else f"FOUND: untyped {text} at {' '.join(frames)}"
    touched = sorted(path for path, state in _seen(work.parent).items() if before.get(path) != state)
    return f"FOUND: touched {touched[:3]}" if touched else said


def _class(name: str) -> type[BaseException]:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _seen(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of everything outside of the output and the temporary folder."""
    found = {}
    for folder, names, files in os.walk(root):
        if Path(folder) == root:
            names[:] = [name for name in names if name not in ("out", "tmp")]
        for name in (*names, *files):
            status = os.lstat(os.path.join(folder, name))  # noqa: PTH118 - hot
            found[f"{folder}/{name}"] = (status.st_size, status.st_mtime_ns)
    return found


@contextlib.contextmanager
def _quiet(log: Path) -> Iterator[int]:
    """Give the real standard output to the lines alone; libraries' words go to the log."""
    lines = os.dup(1)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        faulthandler.enable(file)
        yield lines


def main(name: str, scratch: Path, seed: int, first: int, last: int) -> None:
    """Go through the cases [first, last)."""
    target = find_target(name)
    for module in target.preload:
        importlib.import_module(module)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    work, out = scratch / "work", scratch / "out"
    with _quiet(scratch.parent / f"{scratch.name}.log") as lines:
        for number in range(first, last):
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            prepare(target, work, scratch.parent / f"{target.name}-specimen", seed, number)
            os.write(lines, (json.dumps({"begin": number}) + "\n").encode())
            os.write(lines, (json.dumps({"end": number, "said": judge(target, work, out)}) + "\n").encode())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *(int(text) for text in sys.argv[3:6]))
