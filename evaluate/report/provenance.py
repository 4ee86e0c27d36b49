"""Origin of the page's numbers: checksums, versions, commands."""

import platform
import shlex
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path

from evaluate.report.section import Section
from preprocess.shards.manifest import DatasetInfo

PACKAGES = ("torch", "torchvision", "torchaudio", "nvidia-dali-cuda130", "numpy", "scikit-learn", "h5py")


def collect_facts(
    run: Path, shards: Mapping[str, Path], sets: Mapping[str, DatasetInfo], sections: Sequence[Section]
) -> list[tuple[str, str]]:
    """Return title and value of facts about the run, its shard sets, its encoders and this environment."""
    facts = [("Run", str(run))]
    for name, info in sets.items():
        counts = f"{info.n_segments} segments of {info.n_sources} sources, {info.n_failed} failed"
        facts += [(f"Shards, {name}", f"{shards[name]} ({counts})"), ("Shard set", info.fingerprint)]
    encoders = dict.fromkeys(pair for section in sections for pair in section.encoders.items())
    versions = {each.name: each.version for each in distributions() if each.name in PACKAGES}
    return [
        *facts,
        *((f"Encoders, {name}", digest) for name, digest in encoders),
        ("ffmpeg", ", ".join(dict.fromkeys(info.ffmpeg_version for info in sets.values()))),
        ("Python", platform.python_version()),
        ("Packages", ", ".join(f"{name} {versions[name]}" for name in PACKAGES if name in versions)),
    ]


def command(name: str, run: Path, options: Mapping[str, Sequence[Path]]) -> str:
    """Return a command of this stage, without options that have no values."""
    words = [word for option, paths in options.items() if paths for word in (option, *map(str, paths))]
    return shlex.join(["python", "-m", "evaluate", name, "--run", str(run), *words])
