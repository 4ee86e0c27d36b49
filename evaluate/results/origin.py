"""Origin of numbers: date, commit and checksums of this code, and machine."""

import hashlib
import io
import os
import platform
import re
import subprocess
import tokenize
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
    """Return a checksum of what each folder that numbers may depend on does: "train/views" -> 12 hex digits.

    A checksum is of a folder's own files; of a folder in a folder of a package (the third level), of all files below it.

    A commit does not say which code changed after it, and a clone may lack the history. These do not need git. Settings
    (YAML) count too; comments, docstrings and empty lines decide no number and do not.
    """
    folders: dict[str, Any] = {}
    for package in ("store", "preprocess", "train", "evaluate"):
        for path in sorted(path for kind in ("*.py", "*.yaml") for path in (root / package).rglob(kind)):
            folder = "/".join(path.relative_to(root).parts[:-1][:3])
            folders.setdefault(folder, hashlib.sha256()).update(_statements(path).encode())
    return {folder: checksum.hexdigest()[:12] for folder, checksum in folders.items()}


def _statements(path: Path) -> str:
    """Return a file without comments, docstrings and empty lines; the same under every version of Python."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    if path.suffix == ".yaml":
        return "".join(f"{line}\n" for line in lines if line.strip() and not line.lstrip().startswith("#"))
    statement = list[tokenize.TokenInfo]()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):  # `ast` fails in threads under Python 3.11
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
        elif token.type == tokenize.NEWLINE:
            if [each.type for each in statement] == [tokenize.STRING]:
                (first, _), (last, _) = statement[0].start, statement[0].end
                lines[first - 1 : last] = [""] * (last - first + 1)
            statement = []
        elif token.type not in (tokenize.NL, tokenize.INDENT, tokenize.DEDENT):
            statement.append(token)
    return "".join(f"{line.rstrip()}\n" for line in lines if line.strip())


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
