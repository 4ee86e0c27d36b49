"""Command line of the evaluation stage: `python -m evaluate {embed,ucf101,esc50,report,ablate,publish}`."""

import argparse
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from evaluate.ablation.command import add_command as add_ablate
from evaluate.errors import EvaluateError

if TYPE_CHECKING:
    from evaluate.embed import EmbedOptions, Progress
    from evaluate.encode import ModelName
    from train.config import Config

console = Console()
errors = Console(stderr=True)

EPILOG = """\
examples:
  python -m evaluate ucf101 --run runs/sample --shards shards/sample
      embed what is missing, then retrieval and linear probe on the official splits;
      numbers go to runs/sample/results.json
  python -m evaluate ucf101 --run runs/sample --shards shards/sample --models pretrained,raw --no-probe
  python -m evaluate embed --run runs/sample --shards shards/archive --dataset archive --models pretrained
      embed any shard set: runs/sample/embeddings/archive.h5
  python -m evaluate esc50 --run runs/sample --shards shards/esc50
      five folds of ESC-50, from shards made with the preset sample-audio
  python -m evaluate report --run runs/sample --shards shards/sample
      a page to look at: runs/sample/report/index.html
  python -m evaluate ablate --shards shards/sample --runs runs/ablation --objectives whole,avid
      train, measure and compare objectives: runs/ablation/results.json
"""


def main(argv: list[str] | None = None) -> int:
    """Run a command; 0 fine, 2 an error that was explained, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    from preprocess.errors import PreprocessError
    from store.errors import StoreError
    from train.errors import TrainError

    try:
        arguments.command(arguments)
    except (EvaluateError, TrainError, StoreError, PreprocessError) as error:
        errors.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        errors.print("interrupted; the same command goes on from here")
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m evaluate",
        description="Embed videos with trained encoders, test the embeddings, and show the results.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="{embed,ucf101,esc50,report,ablate,publish}")
    embed = commands.add_parser("embed", help="clips of any shard set to an embedding store (HDF5)")
    _add_common(embed)
    _add_embedding(embed, "pretrained")
    embed.set_defaults(command=_embed)
    ucf101 = commands.add_parser("ucf101", help="retrieval and linear probe on UCF101's official splits")
    _add_common(ucf101)
    _add_embedding(ucf101, "pretrained,untrained,raw")
    ucf101.add_argument("--no-probe", action="store_true", help="retrieval only")
    ucf101.add_argument(
        "--projections", action="store_true", help="judge the contrastive projections too, as MODEL-projections"
    )
    ucf101.set_defaults(command=_ucf101)
    esc50 = commands.add_parser("esc50", help="linear SVM on ESC-50's five folds")
    _add_common(esc50)
    _add_embedding(esc50, "pretrained,untrained,raw")
    esc50.set_defaults(command=_esc50)
    report = commands.add_parser("report", help="one HTML page with table, gallery and map")
    _add_common(report)
    report.set_defaults(command=_report)
    add_ablate(commands)
    publish = commands.add_parser(
        "publish", help="a run's or an ablation's results to docs/results, and the tables in the docs from there"
    )
    publish.add_argument("--run", type=Path, required=True, help="folder of the run")
    publish.add_argument("--name", required=True, help="of the published list, such as demo")
    publish.add_argument("--made-by", required=True, help="the command that makes these numbers")
    publish.set_defaults(command=_publish)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="folder of the training run, such as runs/sample")
    parser.add_argument("--shards", type=Path, required=True, help="folder of the shard set")
    parser.add_argument("--dataset", help="name for stores and results (default: the shard set's own)")


def _add_embedding(parser: argparse.ArgumentParser, models: str) -> None:
    parser.add_argument("--checkpoint", type=Path, help="default: RUN/checkpoints/last.pt")
    parser.add_argument("--models", default=models, help="pretrained, untrained, raw (default: %(default)s)")
    parser.add_argument("--clips", type=int, default=4, help="clips a segment and speed (default: %(default)s)")
    parser.add_argument("--speeds", default="", help="playback speeds such as 1,2 (default: the run's clip.eval_speed)")
    parser.add_argument("--batch-size", type=int, default=16, help="segments at once (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="decoding threads (default: %(default)s)")
    parser.add_argument("--device", default="", help="cpu, cuda, ... (default: cuda where there is one)")


def _dataset(arguments: argparse.Namespace) -> str:
    if arguments.dataset:
        return str(arguments.dataset)
    from preprocess.manifest import read_dataset

    return read_dataset(arguments.shards).dataset


def _options(arguments: argparse.Namespace) -> "EmbedOptions":
    import torch

    from evaluate.embed import EmbedOptions

    try:
        speeds = tuple(int(speed) for speed in arguments.speeds.split(",") if speed)
    except ValueError as error:
        raise EvaluateError(f"--speeds takes whole numbers such as 1,2, not {arguments.speeds!r}") from error
    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    return EmbedOptions(arguments.clips, speeds, arguments.batch_size, device, arguments.threads)


def _embed(arguments: argparse.Namespace) -> "tuple[dict[ModelName, Path], Config]":
    """Embed what is missing; return the stores and the configuration of the run."""
    from evaluate.embed import embed
    from evaluate.encode import load_run
    from evaluate.stores import store_paths
    from train.checkpoint import LAST_NAME

    dataset, options = _dataset(arguments), _options(arguments)
    checkpoint = arguments.checkpoint or arguments.run / "checkpoints" / LAST_NAME
    run = load_run(checkpoint, [model for model in arguments.models.split(",") if model], options.device)
    outputs = store_paths(arguments.run, dataset, [encoder.name for encoder in run.encoders])
    with _progress_line() as progress:
        outcome = embed(run, arguments.shards, outputs, dataset, options, progress=progress)
    for model, path in outputs.items():
        made = "embedded" if model in outcome.embedded else "there already"
        console.print(f"{path}: {made}", highlight=False, soft_wrap=True)
    return outputs, run.config


@contextmanager
def _progress_line() -> "Iterator[Callable[[Progress], None]]":
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("segments, {task.fields[speed]:.1f}/s,"))
    with Bars("embedding", *columns, TimeRemainingColumn(), TextColumn("left"), console=console) as bars:
        task = bars.add_task("", total=None, visible=False, speed=0.0)

        def show(state: "Progress") -> None:
            speed = state.done / max(state.seconds, 1e-9)
            bars.update(task, completed=state.done, total=state.total, speed=speed, visible=True)

        yield show


def _ucf101(arguments: argparse.Namespace) -> None:
    from evaluate.results import RESULTS_NAME, update_results
    from evaluate.stores import load_models
    from evaluate.table import results_table
    from evaluate.ucf101 import coverage, evaluate, pretraining_note
    from preprocess.manifest import read_dataset, read_sources

    dataset = _dataset(arguments)
    stores, config = _embed(arguments)
    models = load_models(stores, projections=arguments.projections)
    n_classes = len(read_dataset(arguments.shards).label_names)
    videos = next(iter(models.values()))
    for line in coverage(videos, read_sources(arguments.shards)["splits"], n_classes):
        console.print(str(line), highlight=False)
    if "pretrained" in models and Path(config.data.shards).resolve() == arguments.shards.resolve():
        console.print(pretraining_note(videos, config.data.split), highlight=False, soft_wrap=True)
    with console.status("") as status:
        results = evaluate(models, dataset, probe=not arguments.no_probe, progress=status.update)
    path = arguments.run / RESULTS_NAME
    console.print(results_table(update_results(path, results), dataset))
    console.print(f"every split's numbers: {path}", highlight=False, soft_wrap=True)


def _esc50(arguments: argparse.Namespace) -> None:
    from evaluate.esc50 import evaluate, load_recordings
    from evaluate.results import RESULTS_NAME, update_results
    from evaluate.table import folds_table
    from store.reader import EmbeddingStore

    dataset = _dataset(arguments)
    stores, _ = _embed(arguments)
    models = {}
    for name, path in stores.items():
        with EmbeddingStore(path) as store:
            models[str(name)] = load_recordings(store)
    with console.status("") as status:
        results = evaluate(models, dataset, progress=status.update)
    path = arguments.run / RESULTS_NAME
    console.print(folds_table(update_results(path, results), dataset))
    console.print(f"every fold's numbers: {path}", highlight=False, soft_wrap=True)


def _publish(arguments: argparse.Namespace) -> None:
    from evaluate.publish import fill_tables, publish

    root = Path.cwd()
    console.print(f"{publish(arguments.run, arguments.name, arguments.made_by, root)}: written")
    for page in (root / "README.md", *sorted((root / "docs").glob("*.md"))):
        if count := fill_tables(page, root):
            console.print(f"{page}: {count} tables written anew")


def _report(arguments: argparse.Namespace) -> None:
    from evaluate.report.page import write_report

    page = write_report(arguments.run, arguments.shards, _dataset(arguments))
    console.print(f"{page}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
