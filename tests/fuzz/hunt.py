"""Read damaged files in a process of its own: this finds readers that crash, hang, or break another rule.

A case follows from its seed and number. The process's memory is limited, so that a claim of terabytes fails on any machine.
"""

import faulthandler
import os
import resource
import shutil
import tempfile
import traceback
import zlib
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from pebble import ProcessExpired, ProcessPool

from tests.fuzz.damage import mutate_bytes
from tests.fuzz.targets import Case, Target, UnsoundError

CASE_SECONDS = 60.0
"""A case that takes longer hangs."""
START_SECONDS = 180.0
"""For a process to load its modules on a busy machine."""
CRAFTED_SHARE = 0.4
MEMORY_BYTES = 4 << 30
"""Address space that a case may use beyond the process's own."""


def hunt(target: Target, folder: Path, seed: int, first: int, n_cases: int) -> list[str]:
    """Go through the cases [first, first + n_cases) of a target; the folder takes specimen, work and output.

    Returns how each ended: "read", "refused: ..." or "FOUND: ...".
    """
    (folder / "specimen").mkdir()
    target.make(folder / "specimen")
    scratch = folder / "scratch"
    for name in ("tmp", "home", "out"):
        (scratch / name).mkdir(parents=True)
    (scratch / "canary").write_text("alive")
    seen, is_ready = list[str](), False
    with ProcessPool(1, context=get_context("spawn")) as pool:
        for number in range(first, first + n_cases):
            if not is_ready:
                pool.schedule(_begin, (target, scratch), timeout=START_SECONDS).result()
            is_ready = False  # after a crash or a hang, another process must begin
            try:
                said = pool.schedule(_run, (target, scratch, seed, number), timeout=CASE_SECONDS).result()
                is_ready = True
            except TimeoutError:
                said = "FOUND: hangs"
            except ProcessExpired as error:
                said = f"FOUND: crash, status {error.exitcode}"
            seen.append(f"{said} (case {number})" if said.startswith("FOUND") else said)
    return seen


def _begin(target: Target, scratch: Path) -> None:
    """Read the whole specimen, which must succeed and loads every module; then limit the memory."""
    with scratch.with_name("log").open("ab") as log:  # what libraries print
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    faulthandler.enable()
    tempfile.tempdir = str(scratch / "tmp")
    os.environ |= {"TMPDIR": tempfile.tempdir, "HOME": str(scratch / "home"), "OMP_NUM_THREADS": "1"}
    target.read(Case(_fresh_copy(scratch), None, scratch / "out"))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _fresh_copy(scratch: Path) -> Path:
    """Empty the output; return a fresh copy of the specimen."""
    for name in ("work", "out"):
        shutil.rmtree(scratch / name, ignore_errors=True)
    (scratch / "out").mkdir()
    return Path(shutil.copytree(scratch.with_name("specimen"), scratch / "work"))


def _run(target: Target, scratch: Path, seed: int, number: int) -> str:
    """Change one file of the specimen, read it, and say how that ended."""
    work = _fresh_copy(scratch)
    rng = np.random.default_rng([seed, zlib.crc32(target.name.encode()), number])
    is_crafted = rng.uniform() < CRAFTED_SHARE and target.crafts
    pattern, change = target.crafts[rng.integers(len(target.crafts))] if is_crafted else (target.pattern, mutate_bytes)
    changed = Path(rng.choice(sorted(map(str, work.glob(pattern)))))
    change(changed, rng, scratch / "canary")
    before = _state(scratch)
    said = _judge(target, Case(work, changed, scratch / "out"))
    touched = sorted(path for path, state in _state(scratch).items() if before.get(path) != state)
    return f"FOUND: touched {touched[:3]}" if touched else said


def _judge(target: Target, case: Case) -> str:
    try:
        target.read(case)
    except UnsoundError as error:
        return f"FOUND: {error}"
    except target.errors as error:
        return f"refused: {type(error).__name__}"
    except Exception as error:  # noqa: BLE001 - the question is which errors come
        frames = [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)][-4:]
        return f"FOUND: untyped {type(error).__name__}: {str(error)[:160]} at {' '.join(frames)}"
    return "read"


def _state(root: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of change of every path but those in the output and the temporary folder."""
    inside = (path for path in root.rglob("*") if path.relative_to(root).parts[0] not in ("out", "tmp"))
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in inside}
