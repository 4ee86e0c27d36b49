"""Is this machine ready? One line for each requirement, with a remedy for each that is missing."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from preprocess.doctor.packages import SET_UP, Check, package, torch_family
from preprocess.errors import FfmpegMissingError
from preprocess.executors.options import n_processors
from preprocess.media.ffmpeg import ENVIRONMENT_VARIABLE, ffmpeg_executable, ffmpeg_version

PYTHON_RANGE = ((3, 11), (3, 14))
"""From the first to before the second."""
LEAST_FREE_BYTES = 5 << 30
LEAST_SHM_BYTES = 256 << 20
"""A container gets 64 MiB by default; processes that exchange frames need some hundreds."""
FFMPEG_PARTS = {
    "-decoders": ("h264", "hevc", "vp9", "av1", "mpeg4", "aac", "mp3", "opus"),
    "-encoders": ("libx264", "aac"),
    "-filters": ("bwdif", "tonemap", "zscale"),
}
PACKAGES = {
    "webdataset": "webdataset",
    "h5py": "h5py",
    "av": "av",
    "ffmpeg-python": "ffmpeg",
    "simplejpeg": "simplejpeg",
    "pillow": "PIL.Image",
    "pyarrow": "pyarrow.parquet",
    "faiss-cpu": "faiss",
}


def check(folder: Path | None = None) -> Iterator[Check]:
    """Check one requirement after another; `folder` is the place of the shards, by default the working directory."""
    yield _python()
    yield from torch_family()
    for distribution, module in PACKAGES.items():
        yield package(distribution, module)
    yield _ffmpeg()
    yield _gpu()
    yield _disk("disk", folder or Path.cwd(), "free some, or write elsewhere with --out")
    yield _disk("temporary files", Path(tempfile.gettempdir()), "free some, or point TMPDIR elsewhere")
    yield _shared_memory(Path("/dev/shm"))  # noqa: S108 - only its size is read


def _python() -> Check:
    first, last = PYTHON_RANGE
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {n_processors()} processors"
    if first <= sys.version_info[:2] < last:
        return Check("Python", "ok", found)
    return Check("Python", "broken", found, f"use Python {first[0]}.{first[1]} to {last[0]}.{last[1] - 1}")


def _ffmpeg() -> Check:
    """Check that ffmpeg runs and has the codecs and filters that common videos need."""
    try:
        executable, version = ffmpeg_executable(), ffmpeg_version()
        missing = [name for option, names in FFMPEG_PARTS.items() for name in _missing_parts(executable, option, names)]
    except (FfmpegMissingError, OSError, subprocess.SubprocessError) as error:
        return Check("ffmpeg", "broken", str(error), f"{SET_UP}, or set {ENVIRONMENT_VARIABLE}")
    found = f"{version} at {executable}"
    if missing:
        remedy = f"set {ENVIRONMENT_VARIABLE} to a fuller build, or unset it to use the bundled one"
        return Check("ffmpeg", "note", f"{found}, without {', '.join(missing)}", remedy)
    return Check("ffmpeg", "ok", found)


def _missing_parts(executable: str, option: str, names: tuple[str, ...]) -> list[str]:
    """Codecs or filters that an ffmpeg build lacks; it may list one under several names (libdav1d for av1)."""
    command = [executable, "-hide_banner", option]
    listing = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    words = set(listing.replace("(", " ").replace(")", " ").split())
    return [f"{name} ({option[1:-1]})" for name in names if name not in words]


def _gpu() -> Check:
    """Look for a GPU. None is needed, but one that torch cannot use deserves a note."""
    if package("torch").status != "ok":
        return Check("GPU", "note", "not looked for, because torch does not load")
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return Check("GPU", "ok", ", ".join(names))
    if shutil.which("nvidia-smi"):
        remedy = f"update the driver to one that knows CUDA {torch.version.cuda or '(this torch is built without)'}"
        return Check("GPU", "note", "there is a driver, but torch cannot use it", remedy)
    return Check("GPU", "ok", "none: all runs on the processor, pretraining slowly")


def _disk(name: str, folder: Path, remedy: str) -> Check:
    """Check free space and the permission to write."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not os.access(there, os.W_OK):
        return Check(name, "broken", f"{there} cannot be written to", "change its owner or mode, or write elsewhere")
    return _size(name, shutil.disk_usage(there).free, LEAST_FREE_BYTES, f"free at {there}", remedy)


def _shared_memory(folder: Path) -> Check:
    if not folder.is_dir():
        return Check("shared memory", "broken", f"no {folder}", "mount a tmpfs there")
    remedy = "start the container with --shm-size=2g"
    return _size("shared memory", shutil.disk_usage(folder).total, LEAST_SHM_BYTES, f"at {folder}", remedy)


def _size(name: str, n_bytes: int, least: int, place: str, remedy: str) -> Check:
    found = f"{n_bytes / 2**30:.1f} GiB {place}"
    return Check(name, "note", found, remedy) if n_bytes < least else Check(name, "ok", found)
