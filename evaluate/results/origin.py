"""Origin of numbers: date, commit and checksums of this code, and machine."""

import hashlib
import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
"""The checkout of this code."""


def origin() -> dict[str, Any]:
    """Return date, commit, code and machine of numbers that are computed now."""
    return {
        "date": datetime.now(UTC).date().isoformat(), "commit": commit(), "code": code(), "machine": machine(),
    }  # fmt: skip


def code(root: Path = ROOT) -> dict[str, str]:
    """Return a checksum of the Python files of each folder that numbers may depend on: "train/views" -> 12 hex digits.

    A commit does not say which code changed after it, and a clone may lack the history. These do not need git.
    """
    folders: dict[str, Any] = {}
    for package in ("store", "preprocess", "train", "evaluate"):
        for path in sorted((root / package).rglob("*.py")):
            folder = "/".join(path.relative_to(root).parts[:-1][:2])
            folders.setdefault(folder, hashlib.sha256()).update(path.read_bytes())
    return {folder: checksum.hexdigest()[:12] for folder, checksum in folders.items()}


def commit(root: Path = ROOT) -> str:
    """Return the commit of this code, with "-dirty" if anything but its docs has changed.

    The result is "unknown" without git, or if the code is not a checkout of its own.
    """
    # A hook of another repository sets GIT_DIR and more, which would count instead of the folder.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=root, env=environment, capture_output=True, check=False)
        return os.fsdecode(done.stdout).strip()

    try:
        if Path(git("rev-parse", "--show-toplevel") or "/") != root.resolve():
            return "unknown"  # installed inside another repository, whose commit does not identify this code
        # The program that writes numbers into the docs changes them itself.
        dirty = git("status", "--porcelain", "--untracked-files=no", ":!docs", ":!*.md")
        return (git("describe", "--always") or "unknown") + "-dirty" * bool(dirty)
    except OSError:
        return "unknown"


def machine() -> str:
    """Processor, cores, memory and torch's GPUs in a line: "AMD EPYC, 2 cores, 24 GiB, no GPU used, Linux"."""
    import torch

    cpuinfo = Path("/proc/cpuinfo")
    facts = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else ""
    name = re.search(r"^model name\s*:\s*(.+)$", facts, re.MULTILINE)
    model = name[1] if name else platform.processor() or platform.machine()
    memory_gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    n = torch.cuda.device_count()
    gpus = f"{n} GPU{'s' * (n > 1)} ({torch.cuda.get_device_name(0)})" if n else "no GPU used"
    return f"{model}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, {gpus}, {platform.system()}"
