"""Checks packages by use: each is imported, and torch, torchvision, torchaudio and DALI compute something small."""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

Status = Literal["ok", "note", "broken"]

SET_UP = "make the environment again: delete .venv, then `make setup`"
_DALI = "nvidia-dali-cuda"
LOAD_ERRORS = (ImportError, OSError, RuntimeError, AttributeError)


@dataclass(frozen=True)
class Check:
    """One line of the report: "ok", "note" (it works, but is worth knowing) or "broken", and the remedy."""

    name: str
    status: Status
    found: str
    remedy: str = ""


def package(distribution: str, module: str = "", trial: Callable[[], str] = lambda: "") -> Check:
    """Check that a package is installed, loads, and passes a trial.

    Args:
        distribution: its name.
        module: what to import, if it has another name.
        trial: uses the package; returns more to report.
    """
    try:
        version = metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return Check(distribution, "broken", "not installed", SET_UP)
    try:
        importlib.import_module(module or distribution)
        return Check(distribution, "ok", version + trial())
    except LOAD_ERRORS as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
        return Check(distribution, "broken", f"{version} does not work: {reason}", SET_UP)


def torch_family() -> Iterator[Check]:
    """Check torch, and that torchvision, torchaudio and DALI fit its release and its CUDA build."""
    yield package("torch", trial=lambda: f", CUDA build {_torch_cuda()}")
    yield package("torchvision", trial=_try_torchvision)
    yield package("torchaudio", trial=_try_torchaudio)
    names = {each.metadata["Name"] or "" for each in metadata.distributions()}
    dali = sorted(name for name in names if name.startswith(_DALI))  # one package per CUDA release
    if len(dali) == 1:
        checked = package(dali[0], "nvidia.dali", lambda: _try_dali(dali[0].removeprefix(_DALI)[:2]))
        yield Check("DALI", checked.status, checked.found, checked.remedy)
    else:
        yield Check("DALI", "broken", f"several: {', '.join(dali)}" if dali else "not installed", SET_UP)


def _torch_cuda() -> str:
    import torch

    return torch.version.cuda or "none"


def _try_torchvision() -> str:
    import torch
    import torchvision

    torchvision.ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([1.0]), 0.5)
    return _fits_torch(torch.ops.torchvision._cuda_version())


def _try_torchaudio() -> str:
    import torch
    import torchaudio

    torchaudio.transforms.MelSpectrogram(n_fft=64, n_mels=4)(torch.zeros(640))
    return _fits_torch(torch.ops._torchaudio.cuda_version() or 0)


def _fits_torch(number: int) -> str:
    """Compare a CUDA build with torch's: 13000 is CUDA 13.0, and 0 or less is a build without CUDA.

    Raises:
        RuntimeError: they differ.
    """
    build = f"{number // 1000}.{number % 1000 // 10}" if number > 0 else "none"
    if build != _torch_cuda():
        raise RuntimeError(f"it is a build for CUDA {build}, torch for {_torch_cuda()}")
    return f", CUDA build {build}"


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
