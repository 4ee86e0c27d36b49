"""A few files to one part of an index: one process does them, on this machine or another."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from evaluate.fingerprint.describe.descriptors import make_rows
from evaluate.fingerprint.describe.encoder import DescriptorEncoder
from evaluate.fingerprint.describe.extract import ExtractOptions, MediaFile, describe_files
from evaluate.fingerprint.describe.source_descriptors import Descriptors
from evaluate.fingerprint.index.archive import IndexedSource
from store.format import Provenance
from store.writer import write_part


@dataclass(frozen=True)
class PartTask:
    """What a process needs to make one part.

    Attributes:
        number: of the part.
        files: what to describe.
        sources: what the index notes of each of them, as they were before they were read.
        path: where the part is written; nothing, if none of the files can be read.
        provenance: what stands in it.
        encoder: what describes; to another process it travels as the place of its weights.
        options: how files are described.
    """

    number: int
    files: tuple[MediaFile, ...]
    sources: tuple[IndexedSource, ...]
    path: Path
    provenance: Provenance
    encoder: DescriptorEncoder
    options: ExtractOptions


@dataclass(frozen=True)
class PartProgress:
    """How far a part is: counts since its beginning; `sources` are the files that are done."""

    number: int
    n_bytes: int = 0
    media_seconds: float = 0.0
    sources: tuple[IndexedSource, ...] = ()

    @property
    def n_files(self) -> int:
        """Files that are done."""
        return len(self.sources)


def describe_part(task: PartTask, report: Callable[[PartProgress], None]) -> PartProgress:
    """Describe the files and write the part: the work that is spread over processes.

    Raises:
        preprocess.errors.DiskFullError, train.errors.LoaderError, store.errors.StoreError: the message says what to do.
    """
    noted = {source.name: source for source in task.sources}
    described, progress = list[Descriptors](), PartProgress(task.number)
    for each in describe_files(task.files, task.encoder, task.options):
        source = noted[each.source]
        if isinstance(each, Descriptors):
            described.append(each)
            source = replace(source, n_descriptors=len(each), seconds=float(each.end_seconds[-1]))
        else:
            source = replace(source, reason=each.reason)
        progress = PartProgress(
            task.number, progress.n_bytes + source.size_bytes, progress.media_seconds + source.seconds,
            (*progress.sources, source),
        )  # fmt: skip
        report(progress)
    if described:
        rows = make_rows(described, task.encoder.picture_dims, task.encoder.sound_dims)
        write_part(task.path, rows, task.provenance)
    return progress
