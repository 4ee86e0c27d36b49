"""Read damaged files in a process of its own: this finds readers that crash, hang, or break another rule.

A case follows from its seed and number. The process's memory is limited, so that a claim of terabytes fails on any machine.
"""

import faulthandler
import os
import resource
import shutil
import signal
import tempfile
import traceback
import zlib
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from tests.fuzz.damage import mutate_bytes
from tests.fuzz.targets import Case, Target, UnsoundError

CRAFTED_SHARE = 0.4
MEMORY_BYTES = 4 << 30
"""Address space that a case may use beyond the process's own."""


def hunt(target: Target, folder: Path, seed: int, cases: range, *, seconds_a_case: int = 60) -> str:
    """Go through cases of a target until one is a finding; the folder takes specimen, work and output.

    Returns what was found and in which case, "" for nothing.
    """
    (folder / "specimen").mkdir()
    target.make(folder / "specimen")
    for name in ("tmp", "home", "out"):
        (folder / "scratch" / name).mkdir(parents=True)
    (folder / "scratch" / "canary").write_text("alive")
    (folder / "found").write_text("the specimen: ")
    process = get_context("spawn").Process(target=_read_all, args=(target, folder, seed, cases, seconds_a_case))
    process.start()
    process.join()
    found = (folder / "found").read_text()
    number, _, said = found.partition(": ")
    if process.exitcode == -signal.SIGALRM:
        said = "hangs"
    elif process.exitcode:
        said = f"crash, status {process.exitcode}"
    return f"{said} (case {number})" if said else ""


def _read_all(target: Target, folder: Path, seed: int, cases: range, seconds_a_case: int) -> None:
    """Read the whole specimen, which loads every module, then the cases; `found` names the case at hand."""
    with (folder / "log").open("ab") as log:  # what libraries print
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    faulthandler.enable()
    scratch, found = folder / "scratch", folder / "found"
    tempfile.tempdir = str(scratch / "tmp")
    os.environ |= {"TMPDIR": tempfile.tempdir, "HOME": str(scratch / "home"), "OMP_NUM_THREADS": "1"}
    target.read(Case(_fresh_copy(folder), None, scratch / "out"))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in cases:
        found.write_text(f"{number}: ")
        signal.alarm(seconds_a_case)
        said = _read_one(target, folder, seed, number)
        signal.alarm(0)
        if said:
            found.write_text(f"{number}: {said}")
            return
    found.write_text("")


def _fresh_copy(folder: Path) -> Path:
    """Empty the output; return a fresh copy of the specimen."""
    for name in ("work", "out"):
        shutil.rmtree(folder / "scratch" / name, ignore_errors=True)
    (folder / "scratch" / "out").mkdir()
    return Path(shutil.copytree(folder / "specimen", folder / "scratch" / "work"))


def _read_one(target: Target, folder: Path, seed: int, number: int) -> str:
    """Change one file of the specimen and read it; return the rule that was broken."""
    work, scratch = _fresh_copy(folder), folder / "scratch"
    rng = np.random.default_rng([seed, zlib.crc32(target.name.encode()), number])
    is_crafted = rng.uniform() < CRAFTED_SHARE and target.crafts
    pattern, change = target.crafts[rng.integers(len(target.crafts))] if is_crafted else (target.pattern, mutate_bytes)
    changed = Path(rng.choice(sorted(map(str, work.glob(pattern)))))
    change(changed, rng, scratch / "canary")
    before = _state(scratch)
    try:
        target.read(Case(work, changed, scratch / "out"))
    except target.errors:
        pass  # refused, as it should be
    except UnsoundError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - the question is which errors come
        frames = [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)][-4:]
        return f"untyped {type(error).__name__}: {str(error)[:160]} at {' '.join(frames)}"
    touched = sorted(path for path, state in _state(scratch).items() if before.get(path) != state)
    return f"touched {touched[:3]}" if touched else ""


def _state(root: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of change of every path but those in the output and the temporary folder."""
    inside = (path for path in root.rglob("*") if path.relative_to(root).parts[0] not in ("out", "tmp"))
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in inside}
