"""The files of a data set: one `Source` each, together a `Catalogue`."""

from dataclasses import dataclass, field
from pathlib import Path

from preprocess.schema import Media


@dataclass(frozen=True)
class RemoteFile:
    """A file behind a URL, and its size when it was listed."""

    url: str
    n_bytes: int


@dataclass(frozen=True)
class Source:
    r"""One file of a data set.

    `name` is the posix path relative to the data root, always valid UTF-8 (other bytes are escaped as `\xNN`);
    `path` opens the file, unless it is `remote`: then a copy is fetched while it is decoded.
    `label` is -1 and the strings are "" where the data set says nothing. `splits` maps a
    split's name to this source's part of it: {"1": "train", "2": "test"} or {"fold": "3"}.
    """

    index: int
    path: Path
    name: str
    label: int = -1
    label_name: str = ""
    group: str = ""
    splits: dict[str, str] = field(default_factory=dict)
    remote: RemoteFile | None = None

    @property
    def n_bytes(self) -> int | None:
        """Size of the file, None where it cannot be had: decoding will say why."""
        if self.remote is not None:
            return self.remote.n_bytes
        try:
            return self.path.stat().st_size
        except OSError:
            return None

    def __post_init__(self) -> None:
        if self.index < 0:
            raise ValueError(f"index of a source is 0 or more, not {self.index}")
        if self.label < -1:
            raise ValueError(f"label of a source is -1 (none) or more, not {self.label}")


@dataclass(frozen=True)
class Catalogue:
    """The sources of a data set, sorted by name: `sources[i].index == i`.

    `missing` are names that the lists give and the disk has not; `extra` are files on disk that no list gives (they
    are sources all the same, without split); both are counted and reported, neither stops a run.
    """

    dataset: str
    media: Media
    sources: tuple[Source, ...]
    label_names: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if any(source.index != position for position, source in enumerate(self.sources)):
            raise ValueError("sources[i].index must be i")
