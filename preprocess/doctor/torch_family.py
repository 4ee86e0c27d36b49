"""Do torch, torchvision, torchaudio and DALI belong together? Their releases and CUDA builds, and a trial of each."""

from collections.abc import Callable, Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from preprocess.doctor.checks import SET_UP, Check, first_line, package

TORCHAUDIO_TORCH = {"2.11": SpecifierSet(">=2.14,<2.15")}
"""torchaudio declares no torch: with which releases it loads (found by trying)."""

LOAD_ERRORS = (ImportError, OSError, RuntimeError, AttributeError)


def torch_family() -> Iterator[Check]:
    """Check torch and its three sisters."""
    torch_check = package("torch")
    if torch_check.status != "ok":
        yield torch_check
        return
    import torch

    cuda = torch.version.cuda or "none"
    yield Check("torch", "ok", f"{torch.__version__}, CUDA build {cuda}")
    yield _sister("torchvision", torch.__version__, cuda, _try_torchvision)
    yield _sister("torchaudio", torch.__version__, cuda, _try_torchaudio)
    yield _dali(cuda)


def _sister(name: str, torch_version: str, cuda: str, trial: Callable[[], str]) -> Check:
    """Whether a sister package fits this torch: by its declared bound, by being used, and by its CUDA build."""
    found = package(name)
    if found.status != "ok":
        return found
    problem = release_problem(name, found.found, metadata.requires(name) or [], torch_version)
    if not problem:
        try:
            build = trial()
        except LOAD_ERRORS as error:
            problem = f"does not work with torch {torch_version}: {first_line(error)}"
        else:
            problem = "" if build == cuda else f"is a build for CUDA {build}, torch for {cuda}"
    if problem:
        return Check(name, "broken", f"{found.found} {problem}", SET_UP)
    return Check(name, "ok", f"{found.found}, CUDA build {cuda}")


def release_problem(name: str, version: str, requires: list[str], torch_version: str) -> str:
    """Say why a release does not belong to this torch, or nothing.

    `requires` are the requirements that the package declares.
    """
    bounds = [requirement.specifier for line in requires if (requirement := Requirement(line)).name == "torch"]
    if name == "torchaudio":
        bounds += [bound for release, bound in TORCHAUDIO_TORCH.items() if version.startswith(f"{release}.")]
    for bound in bounds:
        if not bound.contains(torch_version, prereleases=True):
            return f"needs torch {bound}, not {torch_version}"
    return ""


def _try_torchvision() -> str:
    """Use its compiled part; return its CUDA build."""
    import torch
    import torchvision

    torchvision.ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([1.0]), 0.5)
    return _cuda_text(torch.ops.torchvision._cuda_version())


def _try_torchaudio() -> str:
    """Compute a mel spectrogram; return its CUDA build."""
    import torch
    import torchaudio

    torchaudio.transforms.MelSpectrogram(n_fft=64, n_mels=4)(torch.zeros(640))
    return _cuda_text(torch.ops._torchaudio.cuda_version() or 0)


def _cuda_text(number: int) -> str:
    """13000 is CUDA 13.0; nothing above 0 is a build without CUDA."""
    return f"{number // 1000}.{number % 1000 // 10}" if number > 0 else "none"


def _dali(cuda: str) -> Check:
    """DALI is a package a CUDA release; it must run on the processor, and fit torch's CUDA where there is a GPU."""
    names = sorted(
        name for d in metadata.distributions() if (name := d.metadata["Name"] or "").startswith("nvidia-dali-cuda")
    )
    if len(names) != 1:
        found = "not installed" if not names else f"several: {', '.join(names)}"
        return Check("DALI", "broken", found, SET_UP)
    version, major = metadata.version(names[0]), names[0].removeprefix("nvidia-dali-cuda")[:2]
    try:
        _try_dali()
    except LOAD_ERRORS as error:
        return Check("DALI", "broken", f"{version} does not run: {first_line(error)}", SET_UP)
    if cuda != "none" and not cuda.startswith(f"{major}."):
        return Check("DALI", "broken", f"{version} is a build for CUDA {major}, torch for {cuda}", SET_UP)
    return Check("DALI", "ok", f"{version}, CUDA build {major}, runs on the processor")


def _try_dali() -> None:
    """Run a pipeline without a GPU."""
    from nvidia.dali import Pipeline, types

    pipeline = Pipeline(batch_size=1, num_threads=1, device_id=None)
    with pipeline:
        pipeline.set_outputs(types.Constant(1, device="cpu"))
    pipeline.build()
    pipeline.run()
