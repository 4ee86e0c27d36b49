"""Where the page's numbers come from: checksums, versions, configuration, commands."""

import platform
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from evaluate.report.inputs import Model
from preprocess.manifest import read_dataset

PACKAGES = ("torch", "torchvision", "torchaudio", "nvidia-dali-cuda130", "numpy", "scikit-learn", "h5py")


@dataclass(frozen=True)
class Provenance:
    """Titled facts, the configuration as text, and the commands that make the page again."""

    facts: tuple[tuple[str, str], ...]
    shard_params: tuple[tuple[str, str], ...]
    config: str
    commands: tuple[str, ...]


def collect(run: Path, shards: Path, dataset: str, models: Mapping[str, Model], config: str) -> Provenance:
    """Gather the facts from the shard set, the stores and this environment; `config` is config.yaml's text.

    Raises:
        ShardError: the shard set cannot be read.
    """
    info = read_dataset(shards)
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
    commands = (
        _command("evaluate", dataset, "--run", run, "--shards", shards),
        _command("evaluate", "report", "--run", run, "--shards", shards),
    )
    params = tuple((name, str(value)) for name, value in info.params.as_dict().items())
    return Provenance(tuple(facts), params, config, commands)


def read_config(run: Path) -> tuple[str, dict[str, Any]]:
    """Text and top-level sections of config.yaml; empty where there is none, no sections where it is not YAML."""
    path = run / "config.yaml"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError:
        values = None
    return text, values if isinstance(values, dict) else {}


def setting(config: Mapping[str, Any], section: str, name: str, default: Any) -> Any:
    """Look up a setting of a run's configuration, or the default where it says nothing of the default's type."""
    values = config.get(section)
    found = values.get(name) if isinstance(values, dict) else None
    return found if isinstance(found, type(default)) and found else default


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
