"""What a shard set is made from and with: two runs may share an output folder only if all of it is the same."""

import functools
import hashlib
import json
import socket
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Self

from preprocess.errors import EnvironmentDiffersError, ShardError
from preprocess.sources import Catalogue
from preprocess.schema import FORMAT_VERSION, ShardParams

BYTE_PACKAGES = ("av", "numpy", "simplejpeg", "torch", "torchaudio")
"""Packages whose release can change the bytes of a shard: probing, JPEG, mel spectrogram, .npy."""


def sources_sha256(catalogue: Catalogue) -> str:
    """Checksum over what the catalogue says: names, labels, groups and splits, but not where the data lie."""
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
    """Everything that decides the bytes of a shard set, short of the contents of the sources."""

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

    def check_environment(self, ffmpeg_version: str) -> None:
        """Refuse to work on a machine whose programs would make other bytes.

        Raises:
            EnvironmentDiffersError: names what differs.

        """
        theirs = self.packages | {"ffmpeg": self.ffmpeg_version}
        ours = installed_packages() | {"ffmpeg": ffmpeg_version}
        differ = [f"{name} {ours[name]} instead of {theirs[name]}" for name in theirs if ours[name] != theirs[name]]
        if differ:
            raise EnvironmentDiffersError(
                f"{socket.gethostname()} has {', '.join(differ)}: install the same environment on all machines"
            )

    @property
    def n_shards(self) -> int:
        """Shards of the whole set, empty ones included."""
        return -(-self.n_sources // self.params.sources_per_shard)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "format_version": self.format_version,
            "dataset": self.dataset,
            "params": self.params.as_dict(),
            "n_sources": self.n_sources,
            "sources_sha256": self.sources_sha256,
            "ffmpeg_version": self.ffmpeg_version,
            "packages": dict(sorted(self.packages.items())),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any], path: Path) -> Self:
        """Read back what `as_dict` gave; `path` is for the error.

        Raises:
            ShardError: another format version, or fields that this version does not know.

        """
        version = values.get("format_version")
        if version != FORMAT_VERSION:
            remedy = f"remove {path.parent} and make the shards again"
            raise ShardError(path, f"has shard format version {version}, this release reads {FORMAT_VERSION}: {remedy}")
        try:
            return cls(
                dataset=str(values["dataset"]),
                params=ShardParams(**values["params"]),
                n_sources=int(values["n_sources"]),
                sources_sha256=str(values["sources_sha256"]),
                ffmpeg_version=str(values["ffmpeg_version"]),
                packages=dict(values["packages"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ShardError(path, f"does not describe a shard set: {error!r}") from error

    def differences(self, there: "Recipe") -> list[str]:
        """Name what differs between this recipe and that of the shards `there`, one line each."""
        lines = []
        ours, theirs = self._flat(), there._flat()
        for name in sorted(ours.keys() | theirs.keys()):
            old, new = theirs.get(name, "none"), ours.get(name, "none")
            if old != new:
                lines.append(f"{name} was {old}, now is {new}")
        if self.sources_sha256 != there.sources_sha256 and self.n_sources == there.n_sources:
            lines.append("names, labels or splits of the sources have changed")
        return lines

    def _flat(self) -> dict[str, str]:
        flat = {name: str(value) for name, value in self.params.as_dict().items()}
        flat |= {f"version of {name}": version for name, version in self.packages.items()}
        flat |= {"dataset": self.dataset, "number of sources": str(self.n_sources), "ffmpeg": self.ffmpeg_version}
        return flat
