"""The public interface: an index of an archive, to which folders are added and with which files are matched."""

import math
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evaluate.errors import FingerprintError
from evaluate.fingerprint.answer.matcher import DEFAULT_FALSE_POSITIVE_RATE, DESCRIPTORS_A_HOP, Matcher
from evaluate.fingerprint.answer.still import StillMatcher, match_images
from evaluate.fingerprint.answer.viewed import ViewMatcher
from evaluate.fingerprint.describe.descriptors import Unreadable
from evaluate.fingerprint.describe.encoder import DescriptorEncoder, Variant, Vectors, load_encoder
from evaluate.fingerprint.describe.extract import ExtractOptions, MediaFile, read_footage
from evaluate.fingerprint.describe.fades import describe_fades
from evaluate.fingerprint.describe.image import IMAGE_SUFFIXES
from evaluate.fingerprint.describe.part import Parts
from evaluate.fingerprint.index.archive import ARCHIVE_FILE, Archive, IndexedSource
from evaluate.fingerprint.index.library import Library, build_library
from evaluate.fingerprint.index.library_file import LIBRARY_FOLDER, library_key, load_library, save_library
from evaluate.fingerprint.index.update import Growth, follow, grow
from evaluate.fingerprint.match.matches import Answer
from evaluate.fingerprint.orientation import oriented
from preprocess.build.pipeline import PRELOAD
from preprocess.catalogues.scan import scan
from preprocess.errors import CatalogueError
from preprocess.executors.processes import Executor, ProcessExecutor, SerialExecutor
from preprocess.media.media_info import USUAL_LIMITS, Limits
from preprocess.sources import escaped_name, path_of

SHIPPED_ENCODER = Path(__file__).parent / "describe/shipped"
"""Trained on generated videos only; its model card is in the folder."""
NO_STILLS = (
    "images are found once `python -m evaluate index VIDEOS --index DIR --stills` has described frames of videos"
)
NEW_SETTINGS: dict[str, Any] = {"video_vectors": "within", "audio_vectors": "within", "hop_seconds": 0.5}
"""Of an index for which nothing else is chosen."""
BACKGROUND_FOLDER = "background"
QUERIES_AT_ONCE = 16
DEFAULT_MAX_HOURS = Limits.max_duration_seconds / 3600


class Index:
    """An index of an archive's descriptors.

    Attributes:
        folder: of the index.
        encoder_path: run, checkpoint or export; None for the encoder that made the index, or the shipped one in a new index.
        device: where the encoder runs.
    """

    def __init__(self, folder: Path, encoder_path: Path | None, device: str) -> None:
        self.folder, self.encoder_path, self.device = folder, encoder_path, device
        self._library: Library | None = None
        self._sources: dict[str, IndexedSource] = {}
        self._frames: Library | None = None
        self._encoder: DescriptorEncoder | None = None

    @classmethod
    def open(cls, folder: Path | str, *, encoder: Path | str | None = None, device: str = "cpu") -> "Index":
        """Open an index; a folder that does not exist yet is made by `add`.

        Raises:
            ArchiveError: the folder holds a damaged index, or one of another version.
        """
        folder = Path(folder)
        if (folder / ARCHIVE_FILE).exists():
            Archive.open(folder)
        return cls(folder, None if encoder is None else Path(encoder), device)

    @property
    def archive(self) -> Archive:
        """The index's files.

        Raises:
            ArchiveError: there is no index yet.
        """
        return Archive.open(self.folder)

    def add(
        self, videos: Path | str | None, *, video_vectors: Vectors | None = None, audio_vectors: Vectors | None = None,
        hop_seconds: float | None = None, background: Path | str | None = None, remove: Sequence[str] = (),
        retry_failed: bool = False, stills: bool = False, workers: int = 0, executor: Executor | None = None,
        max_hours: float = DEFAULT_MAX_HOURS, progress: Callable[[int, int, str], None] = lambda *_: None,
    ) -> Growth:  # fmt: skip
        """Make the index of a folder, or bring it up to date; after a kill, the same call continues.

        Args:
            videos: folder of video and audio files; None to remove sources only, which reads no file.
            video_vectors, audio_vectors: which vectors of the encoder are compared; None for those of the index, in a new
                one "within".
            hop_seconds: time between descriptors, rounded to whole frames; None for that of the index, in a new one 0.5.
                Background and queries have more.
            background: folder of videos that are not in the archive, for normalisation.
            remove: patterns of names to remove.
            retry_failed: try unreadable files again.
            stills: describe single frames too, so that images are found; later calls with a folder keep
                them up to date unasked.
            workers: processes that decode; 0 decodes in this process. With processes, a crash of a decoder costs one
                file only, and a script must call this under `if __name__ == "__main__":`.
            executor: where files are described, such as a cluster; None for this machine.
            max_hours: longest file that is read.
            progress: called after every file with bytes done, all bytes, and a note.

        Raises:
            FingerprintError, StoreError, PreprocessError, TrainError: the message names the remedy.
        """
        self._library = self._frames = None
        made = self.archive if (self.folder / ARCHIVE_FILE).is_file() else None
        asked: dict[str, Any] = {
            "video_vectors": video_vectors,
            "audio_vectors": audio_vectors,
            "hop_seconds": hop_seconds,
        }
        asked = {name: each for name, each in asked.items() if each is not None}
        settings = NEW_SETTINGS | (made.settings if made else {}) | asked
        path = self.encoder_path or Path((made and made.encoder_path) or SHIPPED_ENCODER)
        chosen = {name: settings[name] for name in ("video_vectors", "audio_vectors")}
        encoder = load_encoder(path, **chosen, device=self.device)
        noted = str(path.absolute()) if self.encoder_path else ""
        archive = Archive.open_or_make(self.folder, encoder, settings["hop_seconds"], noted)
        here = None if workers and executor is None else SerialExecutor()  # on a cluster one process describes a part
        options = ExtractOptions(
            archive.hop_seconds, workers, device=self.device, executor=here, part_executor=executor,
            limits=Limits(max_duration_seconds=3600 * max_hours),
        )  # fmt: skip
        unreadable_folders: tuple[str, ...] = ()
        if background is not None:
            dense = replace(options, hop_seconds=archive.hop_seconds / DESCRIPTORS_A_HOP)  # like queries
            apart = Archive.open_or_make(
                self.folder / BACKGROUND_FOLDER, encoder, dense.hop_seconds, archive.encoder_path
            )
            unreadable_folders = grow(apart, Path(background), encoder, dense, progress=progress).unreadable_folders
        folder = None if videos is None else Path(videos)
        growth = grow(archive, folder, encoder, options, remove=remove, retry_failed=retry_failed, progress=progress)
        if growth.n_sources:
            _keep_library(self._archives(), encoder)
            is_made = (self.folder / "still" / ARCHIVE_FILE).is_file()
            if stills or (is_made and folder is not None):
                self.beside("still", options, progress)
            elif is_made:
                frames, left = Archive.open(self.folder / "still"), archive.sources().keys()
                removed = [name for name in frames.sources() if name not in left]
                grow(frames, None, encoder.varied("still"), options, remove=removed)
            if self._has_stills:
                _keep_library([Archive.open(self.folder / "still")], encoder.varied("still"))
        return replace(growth, unreadable_folders=(*growth.unreadable_folders, *unreadable_folders))

    def beside(
        self, variant: Variant, options: ExtractOptions, progress: Callable[[int, int, str], None] = lambda *_: None
    ) -> Archive:
        """Describe the sources with video in another way, as far as this is not done yet, in a folder of the index.

        Args:
            variant: of their clips; it names the folder.
            options: how files are described.
            progress: as in `add`.

        Raises:
            FingerprintError, StoreError, PreprocessError, TrainError: the message names the remedy.
        """
        library, archive, encoder = self.matcher().library, self.archive, self.encoder().varied(variant)
        rows = library.searches["video"].source if "video" in library.searches else np.zeros(0, np.int64)
        shown = {library.sources[number] for number in np.unique(rows)}
        sources = {name: source for name, source in archive.sources().items() if name in shown}
        beside = Archive.open_or_make(self.folder / variant, encoder, archive.hop_seconds, archive.encoder_path)
        longest = max([options.limits.max_duration_seconds, *(2 * each.seconds for each in sources.values())])
        limits = replace(options.limits, max_duration_seconds=longest)  # they were within the limits once
        follow(beside, sources, encoder, replace(options, limits=limits), progress)
        return beside

    def match(self, query: Path | str, *, false_positive_rate: float = DEFAULT_FALSE_POSITIVE_RATE) -> Answer:
        """Find the sources, and their seconds, that a file came from.

        Args:
            query: a video or audio file, or an image.
            false_positive_rate: share of unmatched queries that may be matched.

        Raises:
            ArchiveError: there is no index.
            FingerprintError: the index is empty, or there is no such file.
            ProvenanceError: another encoder made the index.
        """
        if not Path(query).is_file():
            raise FingerprintError(f"{query}: no such file")
        return next(self.match_files(query_files(Path(query))[0], false_positive_rate=false_positive_rate))

    def match_files(
        self, files: Sequence[MediaFile], *, false_positive_rate: float = DEFAULT_FALSE_POSITIVE_RATE, workers: int = 0,
        executor: Executor | None = None, limits: Limits = USUAL_LIMITS, top: int | None = None,
    ) -> Iterator[Answer]:  # fmt: skip
        """Match files, a few at a time, then images; the answer for an unreadable one holds the reason. `workers` as in `add`.

        `executor` decodes files, instead of workers. `limits` are on one file.
        `top` is the number of spans in an answer, however weak; None for those decided and the best few below.
        """
        encoder, images = self.encoder(), [file for file in files if file.path.suffix.lower() in IMAGE_SUFFIXES]
        files = [file for file in files if file not in images]
        spans, executor = (
            replace(self.matcher(false_positive_rate), top=top),
            executor or (None if workers else SerialExecutor()),
        )
        decoding = executor or ProcessExecutor(1, PRELOAD)
        # The archive's files were within the limits once.
        parts = Parts(self._path_of, decoding, replace(limits, max_duration_seconds=math.inf))
        matcher = ViewMatcher(spans, encoder, parts)
        options = ExtractOptions(
            self.archive.hop_seconds, workers, device=self.device, executor=executor, limits=limits
        )
        for start in range(0, len(files), QUERIES_AT_ONCE):
            for each in read_footage(files[start : start + QUERIES_AT_ONCE], encoder, options):
                if isinstance(each, Unreadable):
                    yield Answer(each.source, 0.0, (), each.reason)
                else:
                    yield oriented(matcher.answer(each), each, spans.library, encoder)
        if images and not self._has_stills:
            yield from (Answer(file.name, 0.0, (), NO_STILLS) for file in images)
        elif images:
            stills = Matcher(self._stills(), false_positive_rate, top)
            yield from match_images(images, StillMatcher(stills, encoder.varied("still")), limits, decoding)

    def matcher(self, false_positive_rate: float = DEFAULT_FALSE_POSITIVE_RATE) -> Matcher:
        """Read the index into memory; if its library is missing or outdated, build it in memory.

        Raises:
            FingerprintError: the index is empty.
            StoreError: a part is damaged.
        """
        if self._library is None:
            archives = self._archives()
            self._library, self._sources = _load(archives, self.encoder), archives[0].sources()
        return Matcher(self._library, false_positive_rate)

    def moved(self, answer: Answer) -> tuple[str, ...]:
        """Name undecided candidates of an answer that got no closer look: their files moved or changed since indexing.

        There are none for an image, nor for a clip that many sources hold, which get no such look.
        """
        if answer.n_alike or Path(answer.query).suffix.lower() in IMAGE_SUFFIXES:
            return ()
        names = {each.reference for each in answer.matches if not each.decision}
        return tuple(name for name in sorted(names & self._sources.keys()) if self._path_of(name) is None)

    def _path_of(self, name: str) -> Path | None:
        """Give the file of a source below the archive's real folder, if it is still the one that was indexed."""
        source = self._sources.get(name)
        path = path_of(Path(source.root).resolve(), name) if source else None
        return path if source and path and source.is_still(path) else None

    def encoder(self) -> DescriptorEncoder:
        """Load the encoder that made the index, once, from its path then or from `encoder_path`.

        Raises:
            ProvenanceError: another encoder made the index.
        """
        archive = self.archive
        if self._encoder is None:
            path = self.encoder_path or Path(archive.encoder_path or SHIPPED_ENCODER)
            chosen = {name: archive.settings[name] for name in ("video_vectors", "audio_vectors")}
            self._encoder = load_encoder(path, **chosen, device=self.device)
        archive.check(self._encoder.sha256, {**self._encoder.settings(), "hop_seconds": archive.hop_seconds})
        return self._encoder

    @property
    def _has_stills(self) -> bool:
        still = self.folder / "still"
        is_made = (still / ARCHIVE_FILE).is_file()
        return is_made and any(not each.reason for each in Archive.open(still).sources().values())

    def _stills(self) -> Library:
        if self._frames is None:
            self._frames = _load([Archive.open(self.folder / "still")], lambda: self.encoder().varied("still"))
        return self._frames

    def _archives(self) -> list[Archive]:
        """Open the archive, and its background if there is one."""
        apart = self.folder / BACKGROUND_FOLDER
        return [self.archive, *([Archive.open(apart)] if (apart / ARCHIVE_FILE).is_file() else [])]


def _keep_library(archives: Sequence[Archive], encoder: DescriptorEncoder) -> None:
    folder, key = archives[0].folder / LIBRARY_FOLDER, library_key(archives)
    with archives[0].only_writer():
        if load_library(folder, key) is None:
            save_library(folder, key, _build(archives, encoder))


def _load(archives: Sequence[Archive], encoder: Callable[[], DescriptorEncoder]) -> Library:
    loaded = load_library(archives[0].folder / LIBRARY_FOLDER, library_key(archives))
    return loaded or _build(archives, encoder())


def _build(archives: Sequence[Archive], encoder: DescriptorEncoder) -> Library:
    described, apart, *_ = (*(list(archive.descriptors()) for archive in archives), [])
    if not described:
        raise FingerprintError(f"{archives[0].folder}: holds no source that could be read; index a folder first")
    apart += describe_fades(encoder, archives[0].hop_seconds / DESCRIPTORS_A_HOP)
    return build_library(described, archives[0].hop_seconds, background=apart)


def query_files(queries: Path) -> tuple[list[MediaFile], tuple[str, ...]]:
    """List a file under its own name, or the files of a folder under their paths below it; and its unreadable folders.

    Images in a folder count if there is neither video nor audio: else they are covers and thumbnails.

    Raises:
        FingerprintError: there is no such file or folder.
        CatalogueError: the folder holds nothing to match.
    """
    try:
        is_folder = stat.S_ISDIR(queries.stat().st_mode)
    except OSError as error:
        raise FingerprintError(f"{queries}: {error.strerror}; give a file or folder that can be read") from error
    if is_folder:
        try:
            listing = scan(queries, "video", "audio")
        except CatalogueError:
            images = sorted(
                each for each in queries.rglob("*") if each.suffix.lower() in IMAGE_SUFFIXES and each.is_file()
            )
            if not images:
                raise
            return [MediaFile(escaped_name(each.relative_to(queries).as_posix()), each) for each in images], ()
        return [MediaFile(file.name, file.path) for file in listing.files], listing.unreadable
    return [MediaFile(escaped_name(queries.name), queries)], ()
