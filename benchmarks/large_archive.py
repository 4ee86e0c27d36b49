"""`python -m benchmarks.large_archive`: how often unrelated files are falsely matched in an archive of simulated sources.

Half of the scenes of a folder are queries. Each simulated source is a source of the other half of which the descriptors'
principal components got signs at random. So means, changes over time and their covariance over all sources are real ones,
and no source shows what a query shows. Two things of a real archive are missing: sources of one kind, such as two sirens,
and files, so that no closer look is taken.
"""

import argparse
import logging
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.stats import binomtest

from benchmarks.question import BenchmarkError, logger
from evaluate.exit_status import exit_status
from evaluate.fingerprint.answer.matcher import DESCRIPTORS_A_HOP, Matcher
from evaluate.fingerprint.answer.viewed import ViewMatcher
from evaluate.fingerprint.api import SHIPPED_ENCODER
from evaluate.fingerprint.benchmark.false_matches import RATES, TEST, false_matches_table
from evaluate.fingerprint.benchmark.protocol import scene
from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.describe.encoder import load_encoder
from evaluate.fingerprint.describe.extract import ExtractOptions, MediaFile, describe_files, read_footage
from evaluate.fingerprint.describe.fades import describe_fades
from evaluate.fingerprint.describe.footage import Footage, FootageFile
from evaluate.fingerprint.describe.part import Parts
from evaluate.fingerprint.index.library import MODALITIES, build_library
from evaluate.fingerprint.match.chance import threshold
from evaluate.results.origin import origin
from evaluate.results.results import RESULTS_NAME, Result, write_results
from preprocess.catalogues.scan import scan
from preprocess.executors.processes import SerialExecutor

HOP_SECONDS = 0.5
SEED = 11
STREAMS = {"joint": "both streams", "video": "video alone", "audio": "audio alone"}


@dataclass(frozen=True)
class OneStream(FootageFile):
    """A query of which only the video, or only the audio, is read."""

    modality: str = "joint"

    def windows(self, most_seconds: float, overlap_frames: int) -> Iterator[Footage]:
        """Yield windows without the other stream."""
        for each in super().windows(most_seconds, overlap_frames):
            if self.modality == "video":
                yield replace(each, has_audio=torch.zeros_like(each.has_audio))
            else:
                yield each if self.modality == "joint" else replace(each, frames=None)


def simulated(described: Sequence[Descriptors], n_sources: int, rng: np.random.Generator) -> Iterator[Descriptors]:
    """Yield sources with the signs of their principal components drawn at random, float16."""
    axes = {}
    for name in MODALITIES:
        rows = [
            np.asarray(vectors)[has] for has, vectors in (each.of(name) for each in described) if vectors is not None
        ]
        if rows:
            all_rows = np.concatenate(rows).astype(np.float32)
            axes[name] = all_rows.mean(axis=0), np.linalg.eigh(np.cov(all_rows.T))[1].astype(np.float32)
    for number in range(n_sources):
        each, turned = described[number % len(described)], dict[str, np.ndarray]()
        for name, (mean, components) in axes.items():
            has, vectors = each.of(name)
            if vectors is not None:
                signs = rng.choice(np.array([-1, 1], np.float32), len(components))
                moved = mean + (vectors - mean) @ components * signs @ components.T
                turned[name] = np.where(has[:, None], moved / np.linalg.norm(moved, axis=1, keepdims=True), 0)
        yield replace(each, source=f"{number:06d}", **{name: rows.astype(np.float16) for name, rows in turned.items()})


def measure(videos: Path, n_sources: int) -> list[Result]:
    """Match one file of each scene of a random half with an archive simulated from the other half."""
    scenes, rng = defaultdict[str, list[MediaFile]](list), np.random.default_rng(SEED)
    for file in scan(videos, "video", "audio").files:
        scenes[scene(file.name)].append(MediaFile(file.name, file.path))
    drawn = [list(scenes.values())[number] for number in rng.permutation(len(scenes))]
    half = len(drawn) // 2
    if not half:
        raise BenchmarkError(f"{videos}: one scene is too few")
    encoder, options = load_encoder(SHIPPED_ENCODER), ExtractOptions(HOP_SECONDS, executor=SerialExecutor())
    rest = [file for files in drawn[half:] for file in files]
    described = [each for each in describe_files(rest, encoder, options) if isinstance(each, Descriptors)]
    logger.info("%d sources described; %d are simulated from them", len(described), n_sources)
    archive = list(simulated(described, n_sources, rng))
    fades = describe_fades(encoder, HOP_SECONDS / DESCRIPTORS_A_HOP)
    library = build_library(archive, HOP_SECONDS, background=fades)
    logger.info("%s", library.method)
    matcher = ViewMatcher(Matcher(library, min(RATES)), encoder, Parts(lambda _: None, SerialExecutor()))
    best = defaultdict[str, list[float]](list)
    for number, footage in enumerate(read_footage([files[0] for files in drawn[:half]], encoder, options), 1):
        if not isinstance(footage, FootageFile):
            continue
        window = next(footage.windows(footage.seconds, 0))
        has = {"joint": True, "video": window.frames is not None, "audio": bool(window.has_audio.any())}
        for modality in (name for name in STREAMS if has[name]):
            query = OneStream(footage.source, footage.params, footage.n_frames, footage.shards, footage.rows, modality)
            found = matcher.match(query)[:1]
            best[modality].append(found[0].score if found else -np.inf)
            if found and found[0].score >= threshold(max(RATES)):
                logger.info("%s by %s: falsely matched, score %.1f", footage.source, STREAMS[modality], found[0].score)
        logger.info("%d of %d queries", number, half)
    return [_result(n_sources, modality, rate, scores) for modality, scores in sorted(best.items()) for rate in RATES]


def _result(n_sources: int, modality: str, rate: float, scores: Sequence[float]) -> Result:
    n_false = sum(score >= threshold(rate) for score in scores)
    interval = binomtest(n_false, len(scores)).proportion_ci(0.95, "exact")
    share, ends = n_false / len(scores), (float(interval.low), float(interval.high))
    return Result(
        TEST, f"{n_sources:,} simulated", None, modality, "avtempo", f"share at {rate:g}", share, len(scores), *ends
    )


def run(videos: Path, out: Path, n_sources: int) -> None:
    """Measure, and write OUT/results.json."""
    results = measure(videos, n_sources)
    out.mkdir(parents=True, exist_ok=True)
    write_results(out / RESULTS_NAME, results, origin())
    logger.info("%s", "\n".join(" | ".join(map(str, row)) for row in false_matches_table(results).rows))


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_archive", description=__doc__)
    parser.add_argument("--videos", type=Path, required=True, help="folder of video and audio files")
    parser.add_argument("--out", type=Path, required=True, help="folder for results.json")
    parser.add_argument("--sources", type=int, default=100_000, help="of the archive (default: %(default)s)")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return exit_status(partial(run, arguments.videos, arguments.out, arguments.sources))


if __name__ == "__main__":
    sys.exit(main())
