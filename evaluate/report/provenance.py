"""Where the page's numbers come from: checksums, versions, configuration, commands."""

import platform
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from evaluate.report.inputs import Model
from preprocess.manifest import DatasetInfo

PACKAGES = ("torch", "torchvision", "torchaudio", "nvidia-dali-cuda130", "numpy", "scikit-learn", "h5py")
DEFAULT_SPEEDS = 4


@dataclass(frozen=True)
class Provenance:
    """Titled facts, the configuration as text, and the commands that make the page again."""

    facts: tuple[tuple[str, str], ...]
    shard_params: tuple[tuple[str, str], ...]
    config: str
    commands: tuple[str, ...]


def collect(run: Path, shards: Path, dataset: str, info: DatasetInfo, models: Mapping[str, Model]) -> Provenance:
    """Gather the facts from the shard set, the stores and this environment."""
    facts = [
        ("Run", str(run)),
        ("Shards", f"{shards} ({info.n_segments} segments of {info.n_sources} sources, {info.n_failed} failed)"),
        ("Shard set", info.fingerprint),
    ]
    facts += [
        (f"Encoders, {name}", model.provenance["encoder_sha256"])
        for name, model in models.items()
        if model.provenance.get("encoder_sha256")
    ]
    facts += [("ffmpeg", info.ffmpeg_version), ("Python", platform.python_version()), ("Packages", _packages())]
    config = run / "config.yaml"
    commands = (
        _command("evaluate", dataset, "--run", run, "--shards", shards),
        _command("evaluate", "report", "--run", run),
    )
    params = tuple((name, str(value)) for name, value in info.params.as_dict().items())
    return Provenance(tuple(facts), params, config.read_text(encoding="utf-8") if config.exists() else "", commands)


def n_speeds(config: str) -> int:
    """How many playback speeds the run tells apart, by its configuration."""
    try:
        values = yaml.safe_load(config)
    except yaml.YAMLError:
        return DEFAULT_SPEEDS
    clip = values.get("clip") if isinstance(values, dict) else None
    speeds = clip.get("speeds") if isinstance(clip, dict) else None
    return len(speeds) if isinstance(speeds, list) and speeds else DEFAULT_SPEEDS


def _command(*words: str | Path) -> str:
    return shlex.join(["python", "-m", *map(str, words)])


def _packages() -> str:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
