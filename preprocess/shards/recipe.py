"""What a shard set is made from and with; runs share an output folder only if all of it is the same."""

import functools
import hashlib
import json
import socket
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Self

from preprocess.errors import EnvironmentDiffersError
from preprocess.schema import FORMAT_VERSION, ShardParams
from preprocess.sources import Catalogue

BYTE_PACKAGES = ("av", "numpy", "simplejpeg", "torch", "torchaudio")
"""Packages whose release can change the bytes of a shard: probing, JPEG, mel spectrogram, .npy."""


def sources_sha256(catalogue: Catalogue) -> str:
    """Checksum over names, labels, groups and splits of a catalogue, but not over the place of the data."""
    digest = hashlib.sha256(json.dumps(catalogue.label_names).encode())
    for source in catalogue.sources:
        row = [source.name, source.label, source.label_name, source.group, sorted(source.splits.items())]
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()


@functools.cache
def installed_packages() -> dict[str, str]:
    """Releases of BYTE_PACKAGES in this environment."""
    return {name: metadata.version(name) for name in BYTE_PACKAGES}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the bytes of a shard set, except the contents of the sources."""

    dataset: str
    params: ShardParams
    n_sources: int
    sources_sha256: str
    ffmpeg_version: str
    packages: dict[str, str]
    format_version: int = FORMAT_VERSION

    @classmethod
    def of(cls, catalogue: Catalogue, params: ShardParams, ffmpeg_version: str) -> Self:
        """Recipe of a run that starts now, with the packages of this environment."""
        digest = sources_sha256(catalogue)
        return cls(catalogue.dataset, params, len(catalogue.sources), digest, ffmpeg_version, installed_packages())

    @property
    def n_shards(self) -> int:
        """Shards of the whole set, empty ones included."""
        return -(-self.n_sources // self.params.sources_per_shard)

    def check_environment(self, ffmpeg_version: str) -> None:
        """Refuse to work on a machine whose programs would make other bytes.

        Raises:
            EnvironmentDiffersError: names the differences.
        """
        theirs = self.packages | {"ffmpeg": self.ffmpeg_version}
        ours = installed_packages() | {"ffmpeg": ffmpeg_version}
        differ = [f"{name} {ours[name]} instead of {theirs[name]}" for name in theirs if ours[name] != theirs[name]]
        if differ:
            raise EnvironmentDiffersError(
                f"{socket.gethostname()} has {', '.join(differ)}: install the same environment on all machines"
            )

    def differences(self, there: "Recipe") -> list[str]:
        """List what differs between this recipe and that of the shards `there`, a line each."""
        ours, theirs = self._named_values(), there._named_values()
        names = sorted(ours.keys() | theirs.keys())
        pairs = ((name, theirs.get(name, "none"), ours.get(name, "none")) for name in names)
        lines = [f"{name} was {old}, now is {new}" for name, old, new in pairs if old != new]
        if self.sources_sha256 != there.sources_sha256 and self.n_sources == there.n_sources:
            lines.append("names, labels or splits of the sources have changed")
        return lines

    def _named_values(self) -> dict[str, object]:
        packages = {f"version of {name}": version for name, version in self.packages.items()}
        rest = {"dataset": self.dataset, "number of sources": self.n_sources, "ffmpeg": self.ffmpeg_version}
        return asdict(self.params) | packages | rest
