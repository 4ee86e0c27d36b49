"""Where the page's numbers come from: checksums, versions, configuration, commands."""

import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from evaluate.report.section import Section
from preprocess.shards.manifest import read_dataset

PACKAGES = ("torch", "torchvision", "torchaudio", "nvidia-dali-cuda130", "numpy", "scikit-learn", "h5py")


@dataclass(frozen=True)
class Provenance:
    """Titled facts, parameters of each shard set, the configuration as text, the commands that make the page again."""

    facts: tuple[tuple[str, str], ...]
    shard_params: Mapping[str, Mapping[str, Any]]
    config: str
    commands: tuple[str, ...]


def collect(
    run: Path,
    shards: Mapping[str, Path],
    sections: Sequence[Section],
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
    encoders = dict.fromkeys(pair for section in sections for pair in section.encoders.items())
    facts += [(f"Encoders, {name}", digest) for name, digest in encoders if digest]
    versions = {each.name: each.version for each in distributions() if each.name in PACKAGES}
    facts += [
        ("ffmpeg", ", ".join(dict.fromkeys(info.ffmpeg_version for info in sets.values()))),
        ("Python", platform.python_version()),
        ("Packages", ", ".join(f"{name} {versions[name]}" for name in PACKAGES if name in versions)),
    ]
    commands = [
        _command(section.name, run, {"--shards": [shards[section.name]]})
        for section in sections
        if section.name in shards
    ]
    commands.append(_command("report", run, {"--shards": [*shards.values()], "--data": data, "--compare": compare}))
    params = {name: info.params.as_dict() for name, info in sets.items()}
    return Provenance(tuple(facts), params, config, tuple(commands))


def _command(command: str, run: Path, options: Mapping[str, Sequence[Path]]) -> str:
    words = [word for option, paths in options.items() if paths for word in (option, *map(str, paths))]
    return shlex.join(["python", "-m", "evaluate", command, "--run", str(run), *words])
