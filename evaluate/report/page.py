"""RUN/report/index.html: all tests of a run on one page that needs no network."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from evaluate.errors import EvaluateError
from evaluate.protocols.temporal_heads import heldout_accuracies
from evaluate.report.compare import compare_runs, load_runs
from evaluate.report.gallery import Media
from evaluate.report.provenance import collect, read_config, setting
from evaluate.report.section import build_section
from evaluate.report.template import render
from evaluate.results.results import RESULTS_NAME, read_results
from store.atomic_files import replacing

logger = logging.getLogger(__name__)

DEFAULT_SPEEDS = [1, 2, 4, 8]


def write_report(
    run: Path, shards: Mapping[str, Path], *, data: Sequence[Path] = (), compare: Sequence[Path] = ()
) -> Path:
    """Write the page of a run and return its path; parts whose data the run lacks are left out.

    Args:
        run: folder with results.json, embeddings/, log.jsonl and config.yaml.
        shards: data set -> the shard set that its embeddings were made from; these come first on the page, then the
            other tests of the results by name.
        data: folders that the shards were made from, for sound in the galleries.
        compare: other runs, whose numbers are put beside this one's.

    Raises:
        EvaluateError: the run has neither results nor embeddings, or they or another run's cannot be read.
        PreprocessError, StoreError, TrainError: the shards, a store or the checkpoint cannot be read.
    """
    results = read_results(run / RESULTS_NAME)
    text, config = read_config(run)
    tests = list(dict.fromkeys([*shards, *sorted({result.test for result in results})]))
    media = {test: Media(folder, data, 1 / len(shards)) for test, folder in shards.items()}
    built = [build_section(run, test, results, media.get(test)) for test in tests]
    sections = [section for section in built if section is not None]
    if not sections:
        raise EvaluateError(
            f"{run}: holds neither {RESULTS_NAME} nor embeddings of {', '.join(tests) or 'any given shards'}; "
            f"run an evaluation such as `python -m evaluate ucf101 --run {run} --shards SHARDS` first"
        )
    runs = load_runs([run, *compare]) if compare else {}
    page = render(
        run=run.name,
        sections=sections,
        comparisons=compare_runs(runs, [section.name for section in sections]),
        temporal=heldout_accuracies(run, len(setting(config, "clip", "speeds", DEFAULT_SPEEDS))),
        run_folder=run,
        origin=collect(run, shards, sections, text, data=data, compare=compare),
    )
    path = run / "report" / "index.html"
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    logger.info("%s: %.1f MB", path, path.stat().st_size / 1e6)
    return path
