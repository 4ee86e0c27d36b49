"""The model card of an export: Markdown, from the run's own records only."""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluate.protocols.result_table import Layout, layout_sheet
from evaluate.protocols.stores import store_paths
from evaluate.results.results import RESULTS_NAME, Result, read_results
from evaluate.results.sheet import Sheet
from preprocess.errors import ShardError
from preprocess.shards.manifest import DATASET_FILE, DatasetInfo, read_dataset
from store.reader import EmbeddingStore
from train.config.schema import TERMS
from train.data.subset import parse_split
from train.errors import CheckpointError, ExportError
from train.run.checkpoint import Checkpoint, LoadedEncoders
from train.run.run_log import read_log

logger = logging.getLogger("evaluate")

_TRAINING_KEYS = {"steps", "encoder_sha256", "segments", "device", "torch"}
TEMPLATE = Path(__file__).parent / "model_card.md.j2"


def model_card(run: Path, checkpoint: Checkpoint, loaded: LoadedEncoders, info: dict[str, Any], *, onnx: bool) -> str:
    """Write the card from the records of a run, as far as they exist and belong to its last checkpoint.

    `info` is the content of config.json; `onnx` says whether the export has ONNX files. CheckpointError if training.json
    names other weights after as many steps; ExportError if it is damaged, ResultsError if results.json is, StoreError if
    an embedding store is.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - Markdown, not HTML: `code` keeps names from the records inside their quotes
        keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["code"] = _code
    config, encoders = loaded.config, loaded.encoders
    weights = {name: getattr(config.loss, name) for name in TERMS}
    terms = {name: weight for name, weight in weights.items() if weight > 0}
    networks = {"video": encoders.video_net, "audio": encoders.audio_net}
    logged = [record for record in read_log(run) if record["step"] <= checkpoint.step]
    last = logged[-1] if logged else None
    dataset = _dataset(Path(config.data.shards), checkpoint.shards_fingerprint)
    results = read_results(run / RESULTS_NAME)
    return environment.get_template(TEMPLATE.name).render(
        config=config, info=info, checkpoint=checkpoint, last=last, dataset=dataset, onnx=onnx,
        terms=terms, bank=asdict(config.bank),
        parameters={name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()},
        off=[name for name in weights if name not in terms],
        untrained=[each for each in networks if not any(each in name for name in terms)],
        accuracies={
            name.removeprefix("accuracy/"): value for name, value in (last["metrics"] if last else {}).items()
            if name.startswith(("accuracy/", "heldout/")) and value is not None
        },
        training=_training(run / "training.json", loaded),
        outdated=any(_is_of_other_weights(run, test, loaded.sha256) for test in {r.test for r in results}),
        tables=result_tables(results, config.data.split, dataset.dataset if dataset else None),
    )  # fmt: skip


def _training(path: Path, loaded: LoadedEncoders) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path}: is not JSON ({error}); move it away, or repair it") from error
    if not isinstance(values, dict) or not set(values) >= _TRAINING_KEYS:
        raise ExportError(f"{path}: does not say how the training went; train again to write it anew")
    if values["steps"] != loaded.step:  # the run was lengthened and is not complete yet
        return None
    if values["encoder_sha256"] != loaded.sha256:
        problem = "names other weights than the run's checkpoint; do these files belong to one run?"
        raise CheckpointError(f"{path}: {problem}")
    return values


def _is_of_other_weights(run: Path, test: str, sha256: str) -> bool:
    """Whether the run went on after this test, so that its embeddings, if they are there, come from an earlier step."""
    path = store_paths(run, test, ("pretrained",))["pretrained"]
    if not path.is_file():
        return False
    with EmbeddingStore(path) as store:
        return store.provenance.encoder_sha256 != sha256


def _dataset(folder: Path, fingerprint: str) -> DatasetInfo | None:
    if not (folder / DATASET_FILE).is_file():
        return None
    try:
        found = read_dataset(folder)
    except ShardError as error:
        logger.warning("the model card cannot name the data: %s", error)
        return None
    return found if found.fingerprint == fingerprint else None


def result_tables(results: Sequence[Result], split: str = "", dataset: str | None = None) -> tuple[Sheet, ...]:
    """Tabulate every test: the mean over splits where it is recorded, else each split.

    On the data set of pretraining (None if unknown), splits whose test videos it has not read come first: split 1 if it read
    "1:train" or "fold:2,3,4,5"; none if `split` is empty, for everything. It has seen test videos of the other splits, and of
    means; their titles say so.
    """
    name, parts = parse_split(split) if split else ("", frozenset[str]())
    tables = list[Sheet]()
    for test in dict.fromkeys(r.test for r in results):
        own = [r for r in results if r.test == test]
        numbers = list(dict.fromkeys(r.split for r in own if r.split is not None))
        trained_on = dataset in (None, test)
        unread = [
            n for n in numbers if (name == str(n) and parts == {"train"}) or (name == "fold" and str(n) not in parts)
        ]
        if trained_on and unread:
            tables += [
                _table(f"{test}, split {n}, whose training part the encoders learnt from", own, n) for n in unread
            ]
            numbers = [n for n in numbers if n not in unread]
            if not numbers:  # the mean over these says nothing new
                continue
        seen = "; the pretraining has seen test videos of it, without labels" if trained_on else ""
        if any(r.split is None for r in own):
            title = f"mean over {len({r.split for r in own} - {None})} splits" if numbers else "no split named"
            tables.append(_table(f"{test}, {title}{seen}", own, None))
        else:
            tables += [_table(f"{test}, split {n}{seen}", own, n) for n in numbers]
    return tuple(tables)


def _table(title: str, results: Sequence[Result], split: int | None) -> Sheet:
    shown = [r for r in results if r.split == split]
    columns = {(r.task, r.metric): f"{r.task} {r.metric}" for r in shown}
    return layout_sheet(title, shown, Layout(tuple(dict.fromkeys(r.modality for r in shown)), columns))


def _code(value: object) -> str:
    """Return any text as inline code in one table cell."""
    plain = " ".join(str(value).split()).replace("`", "'").replace("|", "/")
    return f"`{plain}`" if plain else "(none)"
