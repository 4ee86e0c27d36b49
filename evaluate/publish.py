"""Numbers into the docs: results of a run to docs/results/NAME.json, and tables in Markdown from these files.

A table stands between `<!-- table: NAME test=ucf101 split=1 -->` and `<!-- end table -->` and is written anew from the
file; `split=mean` asks for the mean over splits, ` task=cross-modal`, svm or finetune after the split for a table of its
own. An ablation, its tables and docs/figures/NAME.svg, stands between `<!-- ablation: NAME -->` and `<!-- end ablation -->`;
the fingerprint benchmark, with NAME-distortions.svg and NAME-roc.svg, between `<!-- fingerprint: NAME -->` and
`<!-- end fingerprint -->`. Nobody types a number.
"""

import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evaluate.ablation.ablation_tables import ablation_markdown
from evaluate.ablation.figure import write_figure
from evaluate.errors import AblationError, ResultsError
from evaluate.fingerprint.benchmark.benchmark_tables import benchmark_tables
from evaluate.fingerprint.benchmark.figure import write_heat_map, write_roc
from evaluate.fingerprint.benchmark.scoring import TEST as FINGERPRINT
from evaluate.protocols.cross_modal import CROSS_MODAL
from evaluate.protocols.result_table import (
    CROSS_MODAL_TABLE,
    FINETUNE_TABLE,
    RECOGNITION_TABLE,
    SOUND_TABLE,
    Layout,
    model_order,
)
from evaluate.results.results import RESULTS_NAME, Result, read_header, read_results, write_results

RESULTS_DIR = Path("docs/results")
FIGURES_DIR = Path("docs/figures")
_TABLE = re.compile(
    r"(<!-- table: (?P<name>\S+) test=(?P<test>\S+) split=(?P<split>\S+)(?P<more> task=(?P<task>\S+))? -->\n).*?"
    r"(?P<end><!-- end table -->)",
    re.DOTALL,
)
LAYOUTS = {None: RECOGNITION_TABLE, CROSS_MODAL: CROSS_MODAL_TABLE, "svm": SOUND_TABLE, "finetune": FINETUNE_TABLE}
"""Tables by the marker's task."""
_FINGERPRINT = re.compile(r"(<!-- fingerprint: (?P<name>\S+) -->\n).*?(<!-- end fingerprint -->)", re.DOTALL)
_ABLATION = re.compile(r"(<!-- ablation: (?P<name>\S+) -->\n).*?(<!-- end ablation -->)", re.DOTALL)


def publish(run: Path, name: str, made_by: str, root: Path, **facts: Any) -> Path:
    """Copy a run's results to docs/results/NAME.json with where they come from.

    An ablation's results know that themselves, but for the command. Its figure goes to docs/figures/NAME.svg.

    Args:
        run: folder of the run, or of an ablation's runs.
        name: of the published list, such as "demo".
        made_by: the command that makes these numbers.
        root: of the repository.
        facts: more for the header.

    Raises:
        ResultsError: the run has no results.
        AblationError: runs of the ablation failed.
    """
    results = read_results(run / RESULTS_NAME)
    if not results:
        raise ResultsError(run / RESULTS_NAME, "is not there or empty; evaluate the run first")
    known = read_header(run / RESULTS_NAME) or origin(root) | {"training": _training(run)}
    if known.get("missing"):
        raise AblationError(f"{run}: lacks {', '.join(known['missing'])}; run the ablation to its end, then publish it")
    header = {"command": ""} | known | {"command": made_by} | facts
    path = root / RESULTS_DIR / f"{name}.json"
    write_results(path, results, header)
    if "seeds" in header:
        write_figure(results, root / FIGURES_DIR / f"{name}.svg")
    if any(result.test == FINGERPRINT for result in results):
        write_heat_map(results, root / FIGURES_DIR / f"{name}-distortions.svg")
        write_roc(results, root / FIGURES_DIR / f"{name}-roc.svg")
    return path


def origin(root: Path) -> dict[str, Any]:
    """What is to be known of numbers that are made now with the code in `root`: date, commit, machine."""
    return {"date": datetime.now(UTC).date().isoformat(), "commit": commit(root), "machine": machine()}


def _training(run: Path) -> Any:
    training = run / "training.json"
    return json.loads(training.read_text(encoding="utf-8")) if training.exists() else None


def commit(root: Path) -> str:
    """Name the commit of a repository, with "-dirty" where anything but its docs has changed; "unknown" where there is none."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    name = git("describe", "--always")
    # What writes numbers into the docs changes them itself.
    return (
        name + "-dirty" * bool(git("status", "--porcelain", "--untracked-files=no", ":!docs", ":!*.md"))
    ) or "unknown"


def machine() -> str:
    """Processor, cores, memory and GPUs in a line, such as "AMD EPYC, 2 cores, 24 GiB, no GPU used, Linux"."""
    model, memory = platform.processor() or platform.machine(), ""
    cpuinfo, meminfo = Path("/proc/cpuinfo"), Path("/proc/meminfo")
    if cpuinfo.exists():
        names = re.findall(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(encoding="utf-8"), re.MULTILINE)
        model = names[0] if names else model
    if meminfo.exists():
        kib = re.search(r"MemTotal:\s*(\d+)", meminfo.read_text(encoding="utf-8"))
        memory = f", {int(kib[1]) / 2**20:.0f} GiB" if kib else ""
    return f"{model}, {os.cpu_count()} cores{memory}, {_gpus()}, {platform.system()}"


def _gpus() -> str:
    """Such as "8 GPUs (NVIDIA H100)": those that torch may use, asked to or not."""
    import torch

    n = torch.cuda.device_count()
    if not n:
        return "no GPU used"
    return f"{n} GPU{'s' * (n > 1)} ({torch.cuda.get_device_name(0)})"


def fill_tables(page: Path, root: Path) -> int:
    """Write every marked table and ablation of a Markdown page anew; returns how many there are.

    Raises:
        ResultsError: a marker names results that are not published.
    """

    def table(match: re.Match[str]) -> str:
        path = root / RESULTS_DIR / f"{match['name']}.json"
        results = read_results(path)
        split = None if match["split"] == "mean" else int(match["split"])
        asked = f"{match['test']}, split {match['split']}{match['more'] or ''}"
        if match["task"] not in LAYOUTS:
            raise ResultsError(path, f"is asked by {page} for {asked}: there is no such table")
        layout = LAYOUTS[match["task"]]
        rows = [
            r for r in results if r.test == match["test"] and r.split == split and (r.task, r.metric) in layout.columns
        ]
        if not rows:
            raise ResultsError(path, f"has nothing for {asked} (asked by {page})")
        return f"{match[1]}\n{markdown_table(rows, layout)}\n{_source(path, page)}\n\n{match['end']}"

    def ablation(match: re.Match[str]) -> str:
        path = root / RESULTS_DIR / f"{match['name']}.json"
        results = read_results(path)
        if not results:
            raise ResultsError(path, f"is not there or empty (asked by {page})")
        figure = os.path.relpath(root / FIGURES_DIR / f"{match['name']}.svg", page.parent)
        shown = f"![{match['name']}: a dot a seed, a bar at the mean of each objective]({figure})"
        return f"{match[1]}\n{ablation_markdown(results)}\n\n{shown}\n{_source(path, page)}\n\n{match[3]}"

    def fingerprint(match: re.Match[str]) -> str:
        path = root / RESULTS_DIR / f"{match['name']}.json"
        results = read_results(path)
        if not results:
            raise ResultsError(path, f"is not there or empty (asked by {page})")
        shown = [f"{read_header(path)['plan']}.", *(sheet.markdown() for sheet in benchmark_tables(results))]
        for which, words in (("distortions", "micro-AP by distortion and strength"), ("roc", "right pairs by rate")):
            figure = os.path.relpath(root / FIGURES_DIR / f"{match['name']}-{which}.svg", page.parent)
            shown.append(f"![{words}, a panel or line a method]({figure})")
        return f"{match[1]}\n" + "\n\n".join(shown) + f"\n{_source(path, page)}\n\n{match[3]}"

    text, n_tables = _TABLE.subn(table, page.read_text(encoding="utf-8"))
    text, n_ablations = _ABLATION.subn(ablation, text)
    text, n_fingerprints = _FINGERPRINT.subn(fingerprint, text)
    page.write_text(text, encoding="utf-8")
    return n_tables + n_ablations + n_fingerprints


def markdown_table(results: Sequence[Result], layout: Layout) -> str:
    """Rows = modality and model, columns = those of the layout, per cent; columns that nobody measured are left out."""
    measured = {(r.task, r.metric) for r in results}
    shown = replace(layout, columns={key: title for key, title in layout.columns.items() if key in measured})
    lines = [
        f"| modality | model | {' | '.join(shown.columns.values())} | videos asked |",
        "|---|---" + "|---:" * (len(shown.columns) + 1) + "|",
    ]
    for modality in shown.modalities:
        for model in model_order([r.model for r in results if r.modality == modality]):
            row = shown.row(results, modality, model)
            n = max((r.n for r in row if r), default=0)
            lines.append(f"| {modality} | {model} | {' | '.join(shown.texts(row))} | {n} |")
    return "\n".join(lines)


def _source(path: Path, page: Path) -> str:
    header = read_header(path)
    training, trained = header.get("training"), ""
    if training:
        trained = f", {training['steps']} steps in {training['seconds']:.0f} s"
    elif "seeds" in header:
        trained = f", {header['steps']} steps, seeds {', '.join(map(str, header['seeds']))}, ± the sample sd over seeds"
    link = os.path.relpath(path, page.parent)
    return f"\n`{header['command']}`{trained}; {header['machine']}; {header['date']}, commit {header['commit']} ([data]({link}))."
