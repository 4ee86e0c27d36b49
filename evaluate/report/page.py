"""RUN/report/index.html: all tests of a run on one page, which loads nothing from the network."""

import logging
import platform
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from evaluate.errors import EvaluateError
from evaluate.protocols.result_table import FINETUNE_TABLE
from evaluate.protocols.retrieval import recall_at
from evaluate.protocols.temporal_heads import heldout_accuracies
from evaluate.report import result_tables as tables
from evaluate.report.gallery import SEED, Media
from evaluate.report.section import Section, build_section
from evaluate.results.results import RESULTS_NAME, read_results
from preprocess.shards.manifest import DatasetInfo, read_dataset
from store.atomic_files import replacing

logger = logging.getLogger(__name__)

TEMPLATES = Path(__file__).parent / "templates"
PACKAGES = ("torch", "torchvision", "torchaudio", "nvidia-dali-cuda130", "numpy", "scikit-learn", "h5py")
"""Packages whose versions the page names."""


def write_report(
    run: Path, shards: Mapping[str, Path], *, data: Sequence[Path] = (), compare: Sequence[Path] = ()
) -> Path:
    """Write the page of a run and return its path; parts whose data the run lacks are left out.

    The tests of data sets with shards come first on the page, the others follow by name. `data` are folders with the source
    files of the shards, for audio in the galleries; `compare`, other runs. EvaluateError if the run has neither results nor
    embeddings; EvaluateError, PreprocessError, StoreError or TrainError if a file cannot be read.
    """
    results = read_results(run / RESULTS_NAME)
    tests = list(dict.fromkeys([*shards, *sorted({result.test for result in results})]))
    media = {test: Media(folder, data, 1 / len(shards)) for test, folder in shards.items()}
    built = [build_section(run, test, results, media.get(test)) for test in tests]
    sections = [section for section in built if section is not None]
    slugs = Counter(section.slug for section in sections)  # which name the parts of the page
    sections = [
        replace(section, slug=f"{section.slug}-{number}") if slugs[section.slug] > 1 else section
        for number, section in enumerate(sections, 1)
    ]
    if not sections:
        raise EvaluateError(
            f"{run}: holds neither {RESULTS_NAME} nor embeddings of {', '.join(tests) or 'any given shards'}; "
            f"run an evaluation such as `python -m evaluate ucf101 --run {run} --shards SHARDS` first"
        )
    runs = tables.load_runs([run, *compare]) if compare else {}
    text = config.read_text(encoding="utf-8") if (config := run / "config.yaml").exists() else ""
    sets = {name: read_dataset(folder) for name, folder in shards.items()}
    renamed = [name for name, info in sets.items() if name != info.dataset]
    # Fine-tuning works on shards of any data set, an evaluation does not.
    evaluated = {each.test for each in results if (each.task, each.metric) not in FINETUNE_TABLE.columns}
    commands = [
        command(
            info.dataset if name in evaluated else "embed", run, [shards[name]],
            [name] if name in renamed else [],
        )
        for name, info in sets.items()
    ]  # fmt: skip
    page = render(
        run=run,
        sections=sections,
        comparisons=tables.compare_runs(runs, [section.name for section in sections]),
        reference=next(iter(runs), ""),
        temporal=heldout_accuracies(run, len(yaml.safe_load(text)["clip"]["speeds"])) if text else {},
        facts=collect_facts(run, shards, sets, sections),
        shard_params={name: info.params.as_dict() for name, info in sets.items()},
        config=text,
        commands=[*commands, command("report", run, [*shards.values()], renamed, data=data, compare=compare)],
    )
    path = run / "report" / "index.html"
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    logger.info("%s: %.1f MB", path, path.stat().st_size / 1e6)
    return path


def render(**values: Any) -> str:
    """Fill page.html: every value is escaped, and JSON cannot end the script that holds it."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    titles = (tables.column_title, tables.test_title, tables.modality_title, tables.model_title)
    environment.filters.update({each.__name__: each for each in (recall_at, percent, points, tables.best, *titles)})
    environment.globals.update(
        static=lambda name: Markup((TEMPLATES / name).read_text(encoding="utf-8")),  # noqa: S704 - our own files
        gallery_seed=SEED,
    )
    return environment.get_template("page.html").render(**values)


def percent(value: float, digits: int = 1) -> str:
    """0.4123 -> '41.2', without the sign."""
    return f"{100 * value:.{digits}f}"


def points(difference: float) -> str:
    """0.0123 -> '+1.2', with a true minus sign."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def collect_facts(
    run: Path, shards: Mapping[str, Path], sets: Mapping[str, DatasetInfo], sections: Sequence[Section]
) -> list[tuple[str, str]]:
    """Return title and value of facts about the run, its shard sets, its encoders and this environment."""
    facts = [("Run", str(run))]
    for name, info in sets.items():
        counts = f"{info.n_segments} segments of {info.n_sources} sources, {info.n_failed} failed"
        facts += [(f"Shards, {name}", f"{shards[name]} ({counts})"), ("Shard set", info.fingerprint)]
    encoders = dict.fromkeys(pair for section in sections for pair in section.encoders.items())
    versions = {each.name: each.version for each in distributions() if each.name in PACKAGES}
    return [
        *facts,
        *((f"Encoders, {name}", digest) for name, digest in encoders),
        ("ffmpeg", ", ".join(dict.fromkeys(info.ffmpeg_version for info in sets.values()))),
        ("Python", platform.python_version()),
        ("Packages", ", ".join(f"{name} {versions[name]}" for name in PACKAGES if name in versions)),
    ]


def command(name: str, run: Path, shards: Sequence[Path], dataset: Sequence[str], **others: Sequence[Path]) -> str:
    """Return a command of this stage, without options that have no values."""
    options: dict[str, Sequence[Path | str]] = {"shards": shards, "dataset": dataset, **others}
    words = [word for option, paths in options.items() if paths for word in (f"--{option}", *map(str, paths))]
    return shlex.join(["python", "-m", "evaluate", name, "--run", str(run), *words])
