"""The files of a data set: one `Source` each, together a `Catalogue`."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from preprocess.schema import Media


def escaped_name(name: str) -> str:
    r"""Give the name of a file or folder as valid UTF-8; other bytes become `\xNN`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def path_of(root: Path, name: str) -> Path:
    r"""Give the path of a source below its root; `\xNN` in the name is a byte unless a file is called so."""
    path = root / name
    if "\\x" not in name or path.exists():
        return path
    return root / os.fsdecode(
        re.sub(rb"\\x([89a-f][0-9a-f])", lambda byte: bytes.fromhex(byte[1].decode()), name.encode())
    )


@dataclass(frozen=True)
class RemoteFile:
    """A file behind a URL, and its size when it was listed, if the server said it."""

    url: str
    n_bytes: int | None


@dataclass(frozen=True)
class Source:
    """One file of a data set."""

    index: int  # position in the catalogue
    path: Path  # opens the file; of a `remote` source only its name and suffix count
    name: str  # posix path relative to the data root, always valid UTF-8 (other bytes are escaped as `\xNN`)
    label: int = -1  # class number, -1 without a label
    label_name: str = ""  # class name, "" without a label
    group: str = ""  # videos of one origin share it; "" if unknown
    splits: dict[str, str] = field(default_factory=dict)  # parts by split: {"1": "train", "2": "test"}, {"fold": "3"}
    remote: RemoteFile | None = None  # a copy of this file is fetched while it is decoded

    @property
    def folder(self) -> str:
        """Name of the folder that holds it, "" directly below the root."""
        return self.name.split("/")[-2] if "/" in self.name else ""

    @property
    def stem(self) -> str:
        """File name without its last extension."""
        return Path(self.name).stem

    @property
    def n_bytes(self) -> int | None:
        """Size of the file; None if the system does not say, then decoding reports why."""
        if self.remote is not None:
            return self.remote.n_bytes
        try:
            return self.path.stat().st_size
        except OSError:
            return None


@dataclass(frozen=True)
class Catalogue:
    """The sources of a data set, sorted by name: `sources[i].index == i`.

    `missing` are names that the lists give but the disk does not hold. `extra` are files that no list gives; they are
    sources without a split. `unreadable` are folders whose files are unknown, with the reason. All are reported, and none
    stops a run.
    """

    dataset: str
    media: Media
    sources: tuple[Source, ...]
    label_names: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
