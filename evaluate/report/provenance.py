"""Where the page's numbers come from: checksums, versions, configuration, commands."""

import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from preprocess.shards.manifest import read_dataset

if TYPE_CHECKING:
    from evaluate.report.section import Section

PACKAGES = ("torch", "torchvision", "torchaudio", "nvidia-dali-cuda130", "numpy", "scikit-learn", "h5py")


@dataclass(frozen=True)
class Provenance:
    """Titled facts, parameters a shard set, the configuration as text, the commands that make the page again."""

    facts: tuple[tuple[str, str], ...]
    shard_params: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    config: str
    commands: tuple[str, ...]


def collect(
    run: Path,
    shards: Mapping[str, Path],
    sections: Sequence["Section"],
    config: str,
    *,
    data: Sequence[Path],
    compare: Sequence[Path],
) -> Provenance:
    """Gather the facts from the shard sets, the stores and this environment; `config` is config.yaml's text.

    Raises:
        ShardError: a shard set cannot be read.
    """
    sets = {name: read_dataset(folder) for name, folder in shards.items()}
    facts = [("Run", str(run))]
    for name, info in sets.items():
        counts = f"{info.n_segments} segments of {info.n_sources} sources, {info.n_failed} failed"
        facts += [(f"Shards, {name}", f"{shards[name]} ({counts})"), ("Shard set", info.fingerprint)]
    encoders = {
        (model.name, model.provenance.get("encoder_sha256", "")): None
        for section in sections
        for model in section.models.values()
    }
    facts += [(f"Encoders, {name}", digest) for name, digest in encoders if digest]
    versions = ", ".join(dict.fromkeys(info.ffmpeg_version for info in sets.values()))
    facts += [("ffmpeg", versions), ("Python", platform.python_version()), ("Packages", _packages())]
    commands = [
        _command("evaluate", section.name, "--run", run, "--shards", shards[section.name])
        for section in sections
        if section.name in shards
    ]
    options: dict[str, Sequence[Path]] = {"--shards": [*shards.values()], "--data": data, "--compare": compare}
    words: list[str | Path] = []
    for option, values in options.items():
        words += [option, *values] if values else []
    commands.append(_command("evaluate", "report", "--run", run, *words))
    params = {name: tuple((k, str(v)) for k, v in info.params.as_dict().items()) for name, info in sets.items()}
    return Provenance(tuple(facts), tuple(params.items()), config, tuple(commands))


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
