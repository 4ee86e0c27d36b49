"""Numbers into the docs: results to docs/results/NAME.json, and tables in Markdown from these files.

Every table lies between two markers and is generated from its file:

    <!-- table: demo test=ucf101 split=1 -->            a split, or split=mean; task=cross-modal, svm or finetune;
    <!-- end table -->                                  models=, metrics= and modalities= keep some rows and columns
    <!-- ablation: NAME --> ... <!-- end ablation -->   with docs/figures/NAME.svg
    <!-- fingerprint: NAME --> ... <!-- end fingerprint -->   with NAME-distortions.svg and NAME-roc.svg
    <!-- heldout: NAME --> ... <!-- end heldout -->   the temporal tasks of a training
    <!-- plan: NAME --> ... <!-- end plan -->   the counts of a fingerprint benchmark
    <!-- unmatched: NAME --> ... <!-- end unmatched -->   how often unrelated files are falsely matched
    <!-- copies: NAME --> ... <!-- end copies -->   how many copies that another tool edited are found

The benchmarks add kinds of their own (`fill_pages`).
"""

import functools
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evaluate.ablation.tables_and_figure import ablation_markdown, write_figure
from evaluate.archive.found_copies import found_copies_table
from evaluate.errors import AblationError, ResultsError
from evaluate.fingerprint.benchmark.false_matches import false_matches_table
from evaluate.fingerprint.benchmark.metrics import TEST as FINGERPRINT
from evaluate.fingerprint.benchmark.tables_and_figures import benchmark_tables, write_heat_map, write_roc
from evaluate.protocols import result_table as tables
from evaluate.protocols.cross_modal import CROSS_MODAL
from evaluate.results.origin import code, origin
from evaluate.results.results import OLDER_COMMITS, RESULTS_NAME, Result, read_header, read_results, write_results
from evaluate.results.sheet import Sheet
from store.atomic_files import write_text

RESULTS_DIR, FIGURES_DIR = Path("docs/results"), Path("docs/figures")
LAYOUTS = {
    "": tables.RECOGNITION_TABLE, CROSS_MODAL: tables.CROSS_MODAL_TABLE, "svm": tables.ESC50_TABLE,
    "finetune": tables.FINETUNE_TABLE,
}  # fmt: skip
"""Tables by the marker's task."""
_CLIPS = ("preprocess/media", "preprocess/features", "preprocess/shards", "train/views", "train/model")
LEARNING = (
    *_CLIPS, "train/config", "train/plans", "train/data", "train/objective", "train/run",
    "evaluate/embedding", "evaluate/protocols",
)  # fmt: skip
FINETUNING = (*LEARNING, "train/finetune", "evaluate/finetune")
MATCHING = (*_CLIPS, *(f"evaluate/fingerprint/{name}" for name in (
    "describe", "index", "match", "closer_look", "answer", "benchmark",
)))  # fmt: skip
"""Folders whose code, with all below them, decides what the encoders learn and score, and which clips are found."""
_code_now = functools.cache(code)  # 1 s
_MARKER = (
    r"(?P<begin><!-- (?P<kind>%s): (?P<name>\S+)(?P<options>(?: \w+=\S+)*) -->\n).*?(?P<end><!-- end (?P=kind) -->)"
)


@dataclass(frozen=True)
class Marker:
    """A place for a table in a page: the name of a file in docs/results, and options such as split=1."""

    root: Path
    page: Path
    name: str
    options: Mapping[str, str]

    @property
    def path(self) -> Path:
        """The results file."""
        return self.root / RESULTS_DIR / f"{self.name}.json"

    @property
    def results(self) -> tuple[Result, ...]:
        """Its records; ResultsError if there are none."""
        if not (found := read_results(self.path)):
            raise ResultsError(self.path, f"does not exist or is empty (named in {self.page}); publish it first")
        return found

    def link(self, path: Path) -> str:
        """Return a path below the root relative to the page."""
        return os.path.relpath(self.root / path, self.page.parent)

    def source(self, header: Mapping[str, Any] | None = None, decided_by: Sequence[str] = ()) -> str:
        """Return the line below a table: command, machine, date, commit, its age, and a link to the data.

        The header is by default that of the file. Of the folders whose code decides the numbers, the line names those that
        have changed since.
        """
        header = read_header(self.path) if header is None else header
        age, trained = ", older than today's code", ""
        if (before := header.get("code")) is not None:
            now = _code_now()
            changed = [name for name in decided_by if _below(name, before) != _below(name, now)]
            age = f"; changed since: {', '.join(changed)}" * bool(changed)
        if training := header.get("training"):
            trained = f", {training['steps']} steps in {training['seconds']:.0f} s"
        elif "seeds" in header:
            seeds = ", ".join(map(str, header["seeds"]))
            trained = f", {header['steps']} steps, seeds {seeds}, ± the sample sd over seeds"
        data = self.link(RESULTS_DIR / self.path.name)
        return (
            f"`{header['command']}`{trained}; {header['machine']}; {header['date']}, commit {header['commit']}{age} "
            f"([data]({data}))."
        )


def _below(folder: str, code_of: Mapping[str, str]) -> dict[str, str]:
    return {name: checksum for name, checksum in code_of.items() if f"{name}/".startswith(f"{folder}/")}


Kind = Callable[[Marker], str]
"""Makes the Markdown between two markers."""


def publish(run: Path, name: str, made_by: str, root: Path) -> Path:
    """Copy the results of a run, or of an ablation's runs, to docs/results/NAME.json with the command that makes them.

    ResultsError if there are none, or code that is not committed made them; AblationError if runs of the ablation failed.
    """
    source = run / RESULTS_NAME
    if not (results := read_results(source)):
        raise ResultsError(source, "does not exist or is empty; evaluate the run first")
    known = read_header(source) or origin()
    if (training := run / "training.json").exists():
        known["training"] = json.loads(training.read_text(encoding="utf-8"))
    if str(known.get("commit")).endswith("-dirty"):
        raise ResultsError(source, "was made by code that is not committed; commit, then measure again")
    if older := known.get(OLDER_COMMITS):
        raise ResultsError(source, f"also holds numbers of {', '.join(older)}; measure all of them with one commit")
    if known.get("missing"):
        raise AblationError(f"{run}: lacks {', '.join(known['missing'])}; run the ablation to its end, then publish it")
    path = root / RESULTS_DIR / f"{name}.json"
    write_results(path, results, {"command": ""} | known | {"command": made_by})
    return path


def draw_figures(root: Path) -> None:
    """Draw the figures of all published lists; the same list gives the same bytes, a damaged one ResultsError."""
    for path in sorted((root / RESULTS_DIR).glob("*.json")):
        results, figure = read_results(path), root / FIGURES_DIR / path.with_suffix(".svg").name
        if "seeds" in read_header(path):
            write_figure(results, figure)
        if any(result.test == FINGERPRINT for result in results):
            write_heat_map(results, figure.with_stem(f"{path.stem}-distortions"))
            write_roc(results, figure.with_stem(f"{path.stem}-roc"))


def fill_pages(root: Path, kinds: Mapping[str, Kind], *, write: bool = True) -> dict[Path, bool]:
    """Update the tables of README.md and of all pages below docs/, between markers of these kinds, or compare only.

    Return which of the pages with such markers differed; ResultsError if a marker names results that are not published.
    """
    marked, changed = re.compile(_MARKER % "|".join(kinds), re.DOTALL), {}
    for page in (root / "README.md", *sorted((root / "docs").rglob("*.md"))):
        text = page.read_text(encoding="utf-8") if page.is_file() else ""
        if not marked.search(text):
            continue

        def filled(match: re.Match[str], page: Path = page) -> str:
            options = dict(word.split("=", 1) for word in match["options"].split())
            body = kinds[match["kind"]](Marker(root, page, match["name"], options))
            return f"{match['begin']}\n{body}\n\n{match['end']}"

        new = marked.sub(filled, text)
        changed[page] = new != text
        if write and new != text:
            write_text(page, new)
    return changed


def table(marker: Marker) -> str:
    """Return the table of one split, or of the mean over splits, and its source."""
    options = marker.options
    task = options.get("task", "")
    wanted = " ".join(f"{name}={value}" for name, value in options.items())
    remedy = f"correct the marker in {marker.page}"
    if task not in LAYOUTS:
        raise ResultsError(marker.path, f"cannot be shown as {wanted}: no such table; {remedy}")
    split = None if options["split"] == "mean" else int(options["split"])
    layout, keep = LAYOUTS[task], {name: value.split(",") for name, value in options.items()}
    columns = {c: t for c, t in layout.columns.items() if t in keep.get("metrics", layout.columns.values())}
    rows = [
        r for r in marker.results
        if (r.test, r.split) == (options["test"], split) and (r.task, r.metric) in columns
        and r.model in keep.get("models", [r.model]) and r.modality in keep.get("modalities", [r.modality])
    ]  # fmt: skip
    if not rows:
        raise ResultsError(marker.path, f"has nothing for {wanted}; {remedy}")
    grid = tables.layout_sheet("", rows, replace(layout, columns=columns), counted="videos evaluated").grid()
    return f"{grid}\n\n{marker.source(decided_by=FINETUNING if task == 'finetune' else LEARNING)}"


def ablation(marker: Marker) -> str:
    """Return the tables of an ablation and a link to its figure."""
    figure = marker.link(FIGURES_DIR / f"{marker.name}.svg")
    shown = f"![{marker.name}: a dot a seed, a bar at the mean of each objective]({figure})"
    return f"{ablation_markdown(marker.results)}\n\n{shown}"


def fingerprint(marker: Marker) -> str:
    """Return the tables of a fingerprint benchmark and links to its figures."""
    results = marker.results
    shown = [f"{read_header(marker.path)['plan']}.", *(sheet.markdown() for sheet in benchmark_tables(results))]
    for which, words in (("distortions", "micro-AP by distortion and strength"), ("roc", "right pairs by rate")):
        figure = marker.link(FIGURES_DIR / f"{marker.name}-{which}.svg")
        shown.append(f"![{words}, a panel or line a method]({figure})")
    return "\n\n".join(shown)


def plan(marker: Marker) -> str:
    """Return the counts of a fingerprint benchmark."""
    return f"{read_header(marker.path)['plan']}: {marker.source(decided_by=MATCHING)}"


def heldout(marker: Marker) -> str:
    """Return the accuracies of a run's temporal heads on held-out videos."""
    found = read_header(marker.path)["training"]["heldout"]
    rows = [[f"`{name}`", f"{100 * accuracy:.1f}"] for name, accuracy in found.items()]
    return Sheet("", ["task", "accuracy, per cent"], rows).grid()


def _with_source(shown: Kind, decided_by: Sequence[str]) -> Kind:
    return lambda marker: f"{shown(marker)}\n\n{marker.source(decided_by=decided_by)}"


KINDS: dict[str, Kind] = {
    "table": table,
    "ablation": _with_source(ablation, LEARNING),
    "heldout": _with_source(heldout, LEARNING),
    "fingerprint": _with_source(fingerprint, MATCHING),
    "plan": plan,
    "unmatched": _with_source(lambda marker: false_matches_table(marker.results).grid(), MATCHING),
    "copies": _with_source(lambda marker: found_copies_table(marker.results).grid(), MATCHING),
}
