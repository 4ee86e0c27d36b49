"""The tool in two functions: make or update the index of a folder, and ask where queries come from."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from evaluate.errors import FingerprintError
from evaluate.fingerprint.describe.encoder import DescriptorEncoder, NetworkDescriber, Vectors, load_encoder
from evaluate.fingerprint.describe.extract import ExtractOptions, MediaFile, describe_files
from evaluate.fingerprint.describe.source_descriptors import Descriptors
from evaluate.fingerprint.index.archive import ARCHIVE_FILE, Archive
from evaluate.fingerprint.index.library import Library, build_library
from evaluate.fingerprint.index.library_file import LIBRARY_FOLDER, library_key, load_library, save_library
from evaluate.fingerprint.index.update import Growth, GrowthProgress, grow, media_files
from evaluate.fingerprint.match.calibrate import Calibration
from evaluate.fingerprint.match.match import DEFAULT_FALSE_POSITIVE_RATE, DESCRIPTORS_A_HOP, Matcher, calibrate
from evaluate.fingerprint.match.matches import Answer
from preprocess.executors.processes import Executor, SerialExecutor

SHIPPED_ENCODER = Path(__file__).parent / "describe/shipped"
"""Trained on made-up videos alone (docs/collage.md); its model card lies in the folder."""
DEFAULT_HOP_SECONDS = 0.5
BACKGROUND_FOLDER = "background"
QUERIES_AT_ONCE = 16


class Index:
    """An index of an archive's descriptors: add folders, match files.

    Attributes:
        folder: where it lies.
    """

    def __init__(self, folder: Path, device: str) -> None:
        self.folder, self._device = folder, device
        self._matchers: dict[float, Matcher] = {}

    @classmethod
    def open(cls, folder: Path | str, *, device: str = "cpu") -> "Index":
        """Open an index; a folder that does not exist yet is made by `add`.

        Raises:
            ArchiveError: the folder is there but is not an index, or is damaged.
        """
        index = cls(Path(folder), device)
        if index.folder.exists():
            Archive.open(index.folder)
        return index

    def add(self, videos: Path | str, *, workers: int = 1, background: Path | None = None) -> Growth:
        """Index the videos and audio files of a folder that are new or have changed.

        Args:
            videos: the folder.
            workers: processes that decode; with more than 1 call this under `if __name__ == "__main__":`.
            background: folder of videos that are not in the archive, for calibration.

        Raises:
            FingerprintError, StoreError, PreprocessError, TrainError: the message names the remedy.
        """
        self._matchers.clear()
        return index_folder(Path(videos), self.folder, background=background, workers=workers, device=self._device)

    def match(self, query: Path | str, *, false_positive_rate: float = DEFAULT_FALSE_POSITIVE_RATE) -> Answer:
        """Find the sources, and the seconds of them, that a file came from.

        Args:
            query: a video or audio file.
            false_positive_rate: share of unmatched queries that may be matched.

        Raises:
            ArchiveError: there is no index.
            FingerprintError: the index is empty, or there is no such file.
        """
        if not Path(query).is_file():
            raise FingerprintError(f"{query}: no such file")
        archive = Archive.open(self.folder)
        if false_positive_rate not in self._matchers:
            self._matchers[false_positive_rate] = open_matcher(archive, false_positive_rate=false_positive_rate)
        encoder = encoder_of(archive, device=self._device)
        file = MediaFile(Path(query).name.encode("utf-8", "backslashreplace").decode(), Path(query))
        return next(match_files([file], archive, self._matchers[false_positive_rate], encoder, device=self._device))


def index_folder(
    videos: Path | None, index: Path, *, encoder: Path | None = None, picture: Vectors = "within",
    sound: Vectors = "within", hop_seconds: float = DEFAULT_HOP_SECONDS, background: Path | None = None,
    remove: Sequence[str] = (), retry_failed: bool = False, workers: int = 1, device: str = "cpu",
    executor: Executor | None = None, progress: Callable[[GrowthProgress], None] = lambda _: None,
) -> Growth:  # fmt: skip
    """Make the index of a folder, or bring it up to date; a killed call is just called again.

    Args:
        videos: folder of videos and sounds; None to take out only.
        index: folder of the index.
        encoder: run, checkpoint or export; without it the one that made the index, at first the shipped one.
        picture, sound: which of its vectors are compared.
        hop_seconds: from one descriptor of the archive to the next; background and queries have more (DESCRIPTORS_A_HOP).
        background: folder of videos that are not in the archive, for normalisation and calibration.
        remove: patterns of names to take out.
        retry_failed: try files again that could not be read.
        workers: processes that decode.
        device: where the encoder runs.
        executor: where files are described, such as a cluster; without one on this machine.
        progress: told after every file.

    Raises:
        FingerprintError, StoreError, PreprocessError, TrainError: the message says what to do.
    """
    if encoder is None and (index / ARCHIVE_FILE).is_file():
        archive = Archive.open(index)
        loaded = encoder_of(archive, device=device)
        hop_seconds = archive.hop_seconds
    else:
        loaded = load_encoder(encoder or SHIPPED_ENCODER, picture=picture, sound=sound, device=device)
        archive = Archive.open_or_make(index, loaded, hop_seconds, str(encoder.absolute()) if encoder else "")
    here = None if executor is None else SerialExecutor()  # a part is one process's work on a cluster
    options = ExtractOptions(hop_seconds, workers=workers, device=device, executor=here, part_executor=executor)
    if background is not None:
        dense = replace(options, hop_seconds=hop_seconds / DESCRIPTORS_A_HOP)  # as queries are
        apart = Archive.open_or_make(index / BACKGROUND_FOLDER, loaded, dense.hop_seconds, archive.encoder_path)
        grow(apart, background, loaded, dense, progress=progress)
    growth = grow(archive, videos, loaded, options, remove=remove, retry_failed=retry_failed, progress=progress)
    if growth.n_sources:
        _make_ready(archive)
    return growth


def encoder_of(archive: Archive, path: Path | None = None, *, device: str = "cpu") -> NetworkDescriber:
    """Load the encoder that made an index, from where it lay then or from `path`.

    Raises:
        ProvenanceError: it is another one now.
        CheckpointError: it is not there.
    """
    settings = {name: value for name, value in archive.settings.items() if name != "hop_seconds"}
    loaded = load_encoder(
        path or Path(archive.encoder_path or SHIPPED_ENCODER),
        picture=settings["picture"],
        sound=settings["sound"],
        device=device,
    )
    archive.check(loaded.sha256, {**loaded.settings(), "hop_seconds": archive.hop_seconds})
    return loaded


def open_matcher(archive: Archive, *, false_positive_rate: float = DEFAULT_FALSE_POSITIVE_RATE) -> Matcher:
    """Read an index into memory; one that was not made ready, for it was being added to, is made ready in memory.

    Raises:
        FingerprintError: there is nothing in it.
        StoreError: a part is damaged.
    """
    archives = _archives(archive)
    found = load_library(archive.folder / LIBRARY_FOLDER, library_key(archives))
    library, calibration = found or _build(archives)
    return Matcher(library, calibration, false_positive_rate)


def _make_ready(archive: Archive) -> None:
    """Build, calibrate and keep what matching needs, unless it is there."""
    folder = archive.folder / LIBRARY_FOLDER
    archives = _archives(archive)
    with archive.only_writer():
        key = library_key(archives)
        if load_library(folder, key) is None:
            save_library(folder, key, *_build(archives))


def _archives(archive: Archive) -> list[Archive]:
    """The archive, and its background if there is one."""
    apart = archive.folder / BACKGROUND_FOLDER
    return [archive, Archive.open(apart)] if (apart / ARCHIVE_FILE).is_file() else [archive]


def _build(archives: Sequence[Archive]) -> tuple[Library, Calibration]:
    described, *background = (list(archive.descriptors()) for archive in archives)
    if not described:
        raise FingerprintError(f"{archives[0].folder}: holds no source that could be read; index a folder first")
    apart = background[0] if background else []
    library = build_library(described, archives[0].hop_seconds, background=apart)
    return library, calibrate(library, apart)


def match_files(
    files: Sequence[MediaFile], archive: Archive, matcher: Matcher, encoder: DescriptorEncoder, *, workers: int = 1,
    device: str = "cpu",
) -> Iterator[Answer]:  # fmt: skip
    """Match files a few at a time; those that cannot be read are answered with the reason."""
    options = ExtractOptions(archive.hop_seconds / DESCRIPTORS_A_HOP, workers=workers, device=device)
    for start in range(0, len(files), QUERIES_AT_ONCE):
        for each in describe_files(files[start : start + QUERIES_AT_ONCE], encoder, options):
            if isinstance(each, Descriptors):
                yield matcher.answer(each)
            else:
                yield Answer(each.source, 0.0, (), each.reason)


def query_files(queries: Path) -> list[MediaFile]:
    """A file by its own name, or the files of a folder by their paths below it.

    Raises:
        FingerprintError: there is no such file or folder.
        CatalogueError: nothing to match in the folder.
    """
    if queries.is_dir():
        return media_files(queries)
    if not queries.exists():
        raise FingerprintError(f"{queries}: no such file or folder")
    return [MediaFile(queries.name.encode("utf-8", "backslashreplace").decode(), queries)]
