"""Is this machine ready? One line for each requirement, with a remedy for each that is missing.

Packages are checked by use. torchvision and torchaudio refuse to load beside a torch of another CUDA release.
"""

import dataclasses
import importlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from preprocess.errors import DiskFullError, FfmpegMissingError, first_line
from preprocess.executors.options import n_processors
from preprocess.media.ffmpeg import ENVIRONMENT_VARIABLE, ffmpeg_executable, ffmpeg_version
from preprocess.temporary_folder import temporary_folder

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
    "torchaudio": "torchaudio",
    "webdataset": "webdataset",
    "h5py": "h5py",
    "av": "av",
    "ffmpeg-python": "ffmpeg",
    "simplejpeg": "simplejpeg",
    "pillow": "PIL.Image",
    "pyarrow": "pyarrow.parquet",
    "faiss-cpu": "faiss",
}
SET_UP = "make the environment again: delete .venv, then `make setup`"
_DALI = "nvidia-dali-cuda"


@dataclass(frozen=True)
class Check:
    """One line of the report: "ok", "note" (it works, but is worth knowing) or "broken", and the remedy."""

    name: str
    status: Literal["ok", "note", "broken"]
    found: str
    remedy: str = ""


def check(folder: Path | None = None) -> Iterator[Check]:
    """Check one requirement after another; `folder` is the place of the shards, by default the working directory."""
    first, last = PYTHON_RANGE
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {n_processors()} processors"
    remedy = f"use Python {first[0]}.{first[1]} to {last[0]}.{last[1] - 1}"
    is_known = first <= sys.version_info[:2] < last
    yield Check("Python", "ok", found) if is_known else Check("Python", "broken", found, remedy)
    yield package("torch", trial=lambda: f", CUDA build {_torch_cuda()}")
    yield package("torchvision", trial=_try_torchvision)
    yield _dali()
    for distribution, module in PACKAGES.items():
        yield package(distribution, module)
    yield _ffmpeg()
    yield _gpu()
    yield disk("disk", folder or Path.cwd(), "free some, or write elsewhere with --out")
    yield _temporary_files()
    yield shared_memory(Path("/dev/shm"))  # noqa: S108 - only its size is read


def package(distribution: str, module: str = "", trial: Callable[[], str] = lambda: "") -> Check:
    """Check that a package is installed, loads, and passes a trial, which uses it and returns more to report.

    `module` is what to import, if it has another name.
    """
    try:
        version = metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return Check(distribution, "broken", "not installed", SET_UP)
    try:
        importlib.import_module(module or distribution)
        return Check(distribution, "ok", version + trial())
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        return Check(distribution, "broken", f"{version} does not work: {first_line(error)[:200]}", SET_UP)


def _torch_cuda() -> str:
    import torch

    return torch.version.cuda or "none"


def _try_torchvision() -> str:
    """Run one of its own operations: it loads without them, and says nothing."""
    import torch
    import torchvision

    torchvision.ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([1.0]), 0.5)
    return ""


def _dali() -> Check:
    """Check that one package of DALI is installed, of the many for the CUDA releases, and that it works."""
    names = {each.metadata["Name"] or "" for each in metadata.distributions()}
    dali = sorted(name for name in names if name.startswith(_DALI))
    if len(dali) != 1:
        return Check("DALI", "broken", f"several: {', '.join(dali)}" if dali else "not installed", SET_UP)
    checked = package(dali[0], "nvidia.dali", lambda: _try_dali(dali[0].removeprefix(_DALI)[:2]))
    return dataclasses.replace(checked, name="DALI")


def _try_dali(major: str) -> str:
    """Run a pipeline on the processor, and compare the CUDA release with torch's.

    Raises:
        RuntimeError: they differ.
    """
    from nvidia.dali import Pipeline, types

    pipeline = Pipeline(batch_size=1, num_threads=1, device_id=None)
    with pipeline:
        pipeline.set_outputs(types.Constant(1, device="cpu"))
    pipeline.build()
    pipeline.run()
    cuda = _torch_cuda()
    if cuda != "none" and not cuda.startswith(f"{major}."):
        raise RuntimeError(f"it is a build for CUDA {major}, torch for {cuda}")
    return f", CUDA build {major}, runs on the processor"


def _ffmpeg() -> Check:
    """Check that ffmpeg runs and has the codecs and filters that common videos need."""
    missing = []
    try:
        executable, version = ffmpeg_executable(), ffmpeg_version()
        for option, names in FFMPEG_PARTS.items():
            command = [executable, "-hide_banner", option]
            listing = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
            words = set(listing.replace("(", " ").replace(")", " ").split())  # several names for one: libdav1d for av1
            missing += [f"{name} ({option[1:-1]})" for name in names if name not in words]
    except (FfmpegMissingError, OSError, subprocess.SubprocessError) as error:
        return Check("ffmpeg", "broken", str(error), f"{SET_UP}, or set {ENVIRONMENT_VARIABLE}")
    found = f"{version} at {executable}"
    if missing:
        remedy = f"set {ENVIRONMENT_VARIABLE} to a fuller build, or unset it to use the bundled one"
        return Check("ffmpeg", "note", f"{found}, without {', '.join(missing)}", remedy)
    return Check("ffmpeg", "ok", found)


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


def disk(name: str, folder: Path, remedy: str) -> Check:
    """Check free space and the permission to write."""
    above = (folder.absolute(), *folder.absolute().parents)
    there = next(path for path in above if os.path.exists(path))  # noqa: PTH110 - which raises below a closed folder
    if not os.access(there, os.W_OK):
        return Check(name, "broken", f"{there} cannot be written to", "change its owner or mode, or write elsewhere")
    return _size(name, shutil.disk_usage(there).free, LEAST_FREE_BYTES, f"free at {there}", remedy)


def _temporary_files() -> Check:
    remedy = "free some, or point TMPDIR elsewhere"
    try:
        return disk("temporary files", temporary_folder(), remedy)
    except DiskFullError as error:
        return Check("temporary files", "broken", f"{error.path} cannot be written, or is full", remedy)


def shared_memory(folder: Path) -> Check:
    """Check the size of the file system that processes share memory through."""
    if not folder.is_dir():
        return Check("shared memory", "broken", f"no {folder}", "mount a tmpfs there")
    remedy = "start the container with --shm-size=2g"
    return _size("shared memory", shutil.disk_usage(folder).total, LEAST_SHM_BYTES, f"at {folder}", remedy)


def _size(name: str, n_bytes: int, least: int, place: str, remedy: str) -> Check:
    found = f"{n_bytes / 2**30:.1f} GiB {place}"
    return Check(name, "note", found, remedy) if n_bytes < least else Check(name, "ok", found)
