"""How often unrelated files are falsely matched, measured on a folder of files of which no two scenes are related.

Some scenes are unmatched: none of their files is in an archive, so every decided match of them is false. Archives of
each size are drawn from the other scenes. A small archive is drawn often, with a part of the queries each, because two
sources that resemble each other by chance would else decide the rate.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from evaluate.errors import FingerprintError
from evaluate.fingerprint.answer.matcher import DESCRIPTORS_A_HOP, Matcher
from evaluate.fingerprint.answer.viewed import ViewMatcher
from evaluate.fingerprint.benchmark.distort.catalogue import Streams
from evaluate.fingerprint.benchmark.protocol import scene
from evaluate.fingerprint.describe.descriptors import Descriptors, Unreadable, join_rows
from evaluate.fingerprint.describe.encoder import DescriptorEncoder
from evaluate.fingerprint.describe.extract import ExtractOptions, MediaFile, describe_files, read_footage
from evaluate.fingerprint.describe.fades import describe_fades
from evaluate.fingerprint.describe.footage import Footage, FootageFile
from evaluate.fingerprint.describe.part import Parts
from evaluate.fingerprint.describe.query_view import ViewedFootage
from evaluate.fingerprint.describe.view import PLAIN, View
from evaluate.fingerprint.index.library import build_library
from evaluate.fingerprint.match.align import WINDOW_SECONDS
from evaluate.fingerprint.match.chance import threshold
from evaluate.fingerprint.match.matches import Match
from evaluate.results.results import Result
from evaluate.results.sheet import Sheet
from preprocess.catalogues.scan import scan
from preprocess.executors.processes import SerialExecutor

TEST = "false-matches"
RATES = (0.01, 0.001)
"""Stated rates that are checked; queries are matched at the last one."""
SOURCES_A_SIZE = 30
"""Archives of one size have as many sources together, at least."""
_MODALITIES: dict[Streams, str] = {"both": "joint", "video": "video", "audio": "audio"}


@dataclass(frozen=True)
class Trial:
    """How rates are measured.

    Attributes:
        sizes: sources in the archives.
        n_unmatched: scenes whose files are queries, at most; at most half of all.
        n_background: scenes set aside to normalise scores; 0 for none.
        streams: which streams of the queries are used, in turn.
        hop_seconds: time between descriptors of a source.
        seed: of the drawing.
        fade_seconds: all sources and queries rise out of black for so long; 0 for files as they are.

    Raises:
        FingerprintError: a number is too small.
    """

    sizes: tuple[int, ...]
    n_unmatched: int = 200
    n_background: int = 0
    streams: tuple[Streams, ...] = ("both",)
    hop_seconds: float = 0.5
    seed: int = 0
    fade_seconds: float = 0.0

    def __post_init__(self) -> None:
        if min(self.sizes, default=0) < 1 or self.n_unmatched < 1 or self.n_background < 0:
            raise FingerprintError("give archives of one source or more, and one query or more")


class _Remembered(ViewedFootage):
    """Footage that keeps its descriptors in all views, because it is matched with many archives."""

    def __init__(self, source: str, footage: Footage, encoder: DescriptorEncoder) -> None:
        super().__init__(source, footage, encoder)
        self._described: dict[tuple[View, float], Descriptors] = {}

    def describe_all(self, views: Sequence[View], hop_seconds: float) -> list[Descriptors]:
        """Describe each view once."""
        new = [view for view in views if (view, hop_seconds) not in self._described]
        for view, described in zip(new, super().describe_all(new, hop_seconds), strict=True):
            self._described[view, hop_seconds] = described
        return [self._described[view, hop_seconds] for view in views]


@dataclass(frozen=True)
class _WindowMatcher(ViewMatcher):
    """Matches a file of which the windows are at hand."""

    windows: Sequence[_Remembered]

    def _windows(self, file: FootageFile) -> Iterator[ViewedFootage]:
        return iter(self.windows)


@dataclass(frozen=True)
class _FadedParts(Parts):
    """Reads parts of videos that rise out of black for so long."""

    fade_seconds: float = 0.0

    def brightness(self, name: str, start_seconds: float, seconds: float, fps: float) -> np.ndarray | None:
        """Read a part's frames, risen."""
        part = super().brightness(name, start_seconds, seconds, fps)
        if part is None:
            return None
        return _risen(torch.from_numpy(part), start_seconds * fps, self.fade_seconds * fps).numpy()


def measure(
    folder: Path, encoder: DescriptorEncoder, trial: Trial, progress: Callable[[str, int, int], None]
) -> tuple[tuple[Result, ...], list[Match]]:
    """Match unmatched queries with archives of each size.

    Args:
        folder: of video and audio files.
        encoder: describes them.
        trial: sizes and counts; sizes above the number of sources that are left are not measured.
        progress: told the stage, done and all.

    Returns:
        The rates, and every false match at the larger stated rate.

    Raises:
        FingerprintError: too few scenes, or too few files that can be read.
        CatalogueError: there is no such folder, or it has no media.
    """
    unmatched, apart, rest = _cast(folder, trial)
    options = ExtractOptions(trial.hop_seconds, executor=SerialExecutor())
    dense = replace(options, hop_seconds=trial.hop_seconds / DESCRIPTORS_A_HOP)
    background = [each for each in describe_files(apart, encoder, dense) if isinstance(each, Descriptors)]
    background += describe_fades(encoder, dense.hop_seconds)
    described = list[Descriptors]()
    for number, each in enumerate(_described(rest, encoder, trial, options), 1):
        progress("describing", number, len(rest))
        if isinstance(each, Descriptors):
            described.append(each)
    random = np.random.default_rng(trial.seed)
    archives = dict[int, list[Matcher]]()
    for size in (size for size in trial.sizes if size <= len(described)):
        n_draws = max(1, SOURCES_A_SIZE // size)
        draws = [random.choice(len(described), size, replace=False) for _ in range(n_draws)]
        libraries = [
            build_library([described[i] for i in each], trial.hop_seconds, background=background) for each in draws
        ]
        archives[size] = [Matcher(each, min(RATES)) for each in libraries]
    if not archives:
        raise FingerprintError(f"{folder}: {len(described)} sources are left for archives; give smaller --sizes")
    parts = _FadedParts({each.name: each.path for each in rest}.get, SerialExecutor(), fade_seconds=trial.fade_seconds)
    best, false = defaultdict[tuple[int, Streams], list[float]](list), list[Match]()
    for number, file in enumerate(read_footage(unmatched, encoder, options)):
        progress("matching", number, len(unmatched))
        if isinstance(file, FootageFile):
            for streams, windows in _streams(_windows(file, encoder, trial), trial.streams, file.source, encoder):
                for size, matchers in archives.items():
                    matcher = _WindowMatcher(matchers[number % len(matchers)], encoder, parts, windows)
                    found = matcher.match(file)[:1]
                    best[size, streams].append(found[0].score if found else -np.inf)
                    false += [each for each in found if each.score >= threshold(max(RATES))]
    progress("matching", len(unmatched), len(unmatched))
    if not best:
        raise FingerprintError(f"{folder}: no query can be read, or has the streams")
    return tuple(_results(best)), false


def _cast(folder: Path, trial: Trial) -> tuple[list[MediaFile], list[MediaFile], list[MediaFile]]:
    """Draw unmatched queries, one file of each scene, the background, and all files of the other scenes."""
    scenes = defaultdict[str, list[MediaFile]](list)
    for file in scan(folder, "video", "audio").files:
        scenes[scene(file.name)].append(MediaFile(file.name, file.path))
    random = np.random.default_rng(trial.seed)
    names = list(scenes)
    drawn = [scenes[names[number]] for number in random.permutation(len(names))]
    n_unmatched = min(trial.n_unmatched, len(drawn) // 2)
    if not n_unmatched or len(drawn) <= n_unmatched + trial.n_background:
        raise FingerprintError(f"{folder}: {len(drawn)} scenes are too few")
    unmatched = [files[random.integers(len(files))] for files in drawn[:n_unmatched]]
    apart, rest = drawn[n_unmatched:][: trial.n_background], drawn[n_unmatched + trial.n_background :]
    return unmatched, list(chain(*apart)), list(chain(*rest))


def _described(
    files: Sequence[MediaFile], encoder: DescriptorEncoder, trial: Trial, options: ExtractOptions
) -> Iterator[Descriptors | Unreadable]:
    """Describe the sources of archives."""
    if not trial.fade_seconds:
        yield from describe_files(files, encoder, options)
        return
    for file in read_footage(files, encoder, options):
        if isinstance(file, Unreadable):
            yield file
        else:
            viewed = [ViewedFootage(file.source, each, encoder) for each in _windows(file, encoder, trial)]
            yield join_rows([each.describe(PLAIN, trial.hop_seconds) for each in viewed])


def _windows(file: FootageFile, encoder: DescriptorEncoder, trial: Trial) -> list[Footage]:
    """Read a file, and let it rise out of black if the trial says so."""
    windows = file.windows(WINDOW_SECONDS, encoder.clip.span_frames - 1)
    return [_faded(each, trial.fade_seconds * encoder.shard_params.fps) for each in windows]


def _faded(window: Footage, n_frames: float) -> Footage:
    """Let a file rise out of black over its first frames; return a window of it."""
    return (
        window if window.frames is None else replace(window, frames=_risen(window.frames, window.first_frame, n_frames))
    )


def _risen(frames: Tensor, first_frame: float, n_frames: float) -> Tensor:
    """Let frames (T, ...) uint8, of which the first is this one of a file, rise out of black."""
    if not n_frames:
        return frames
    shown = ((first_frame + torch.arange(len(frames))) / n_frames).clamp(max=1)
    return (frames * shown.view(-1, *[1] * (frames.dim() - 1))).round().to(torch.uint8)


def _streams(
    windows: Sequence[Footage], wanted: Sequence[Streams], source: str, encoder: DescriptorEncoder
) -> Iterator[tuple[Streams, list[_Remembered]]]:
    """Give the windows of a file by each of the streams that it has."""
    silent = [replace(each, has_audio=torch.zeros_like(each.has_audio)) for each in windows]
    kept = {"both": list(windows), "video": silent, "audio": [replace(each, frames=None) for each in windows]}
    has = {"video": windows[0].frames is not None, "audio": any(bool(each.has_audio.any()) for each in windows)}
    for streams in wanted:
        if has.get(streams, True):
            yield streams, [_Remembered(source, each, encoder) for each in kept[streams]]


def _results(best: Mapping[tuple[int, Streams], Sequence[float]]) -> Iterator[Result]:
    from scipy.stats import binomtest

    for (size, streams), scores in sorted(best.items()):
        for rate in RATES:
            n_false = sum(score >= threshold(rate) for score in scores)
            interval = binomtest(n_false, len(scores)).proportion_ci(0.95, "exact")
            yield Result(
                TEST, f"{size} sources", None, _MODALITIES[streams], "avtempo", f"share at {rate:g}", n_false / len(scores),
                len(scores), float(interval.low), float(interval.high),
            )  # fmt: skip


def false_matches_table(results: Sequence[Result]) -> Sheet:
    """Make a table of falsely matched queries by streams and size of the archive, with 95 % intervals in per cent."""
    cells = {(r.modality, r.task, r.metric): r for r in results if r.test == TEST}
    metrics = [f"share at {rate:g}" for rate in RATES]

    def told(result: Result) -> str:
        low, high = 100 * (result.low or 0.0), 100 * (result.high or 0.0)
        return f"{round(result.value * result.n)} of {result.n} ({low:.2g}–{high:.2g} %)"

    rows = [
        (modality, task, *(told(cells[modality, task, metric]) for metric in metrics))
        for modality, task in dict.fromkeys((r.modality, r.task) for r in results if r.test == TEST)
    ]
    columns = ("queries by", "archive", *(f"false where {100 * rate:g} % is stated" for rate in RATES))
    return Sheet("falsely matched queries", columns, rows, n_labels=2)
