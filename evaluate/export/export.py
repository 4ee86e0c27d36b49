"""Export a run: its encoders and a model card in one folder, written whole or not at all (docs/reference/export.md)."""

import logging
from pathlib import Path

from evaluate.export.model_card import model_card
from store.atomic_files import atomic_folder
from train.errors import CheckpointError, ExportError, exporting
from train.export.export import CONFIG_NAME, ONNX_NAMES, WEIGHTS_NAME, describe, read_description, write_encoders
from train.run.checkpoint import LAST_NAME, load_encoders, read_checkpoint

logger = logging.getLogger("evaluate")

CARD_NAME = "README.md"
_FILES = {WEIGHTS_NAME, CONFIG_NAME, CARD_NAME, *ONNX_NAMES.values()}


def export_run(run: Path, out: Path, *, onnx: bool = True, force: bool = False) -> Path:
    """Write the encoders of a run's last checkpoint, complete or not, to the folder `out`, and return its absolute path.

    `onnx` makes the ONNX files too; `force` replaces an export in `out`. CheckpointError if the run has no checkpoint, a
    damaged one, or one that its training.json does not belong to; ExportError if `out` is taken or cannot be written, or
    ONNX does not compute what torch does; ExportError, ResultsError or StoreError if a record of the run is damaged.
    """
    out = out.absolute()
    _refuse_taken(out, force=force)
    path = run / "checkpoints" / LAST_NAME
    checkpoint, loaded = read_checkpoint(path), load_encoders(path)
    if checkpoint.step != loaded.step:
        raise ExportError(f"{run}: training continued while it was read; export again, best when it is complete")
    info = describe(loaded, checkpoint.shards_fingerprint)
    card = model_card(run, checkpoint, loaded, info, onnx=onnx)
    with atomic_folder(out, exporting) as folder:
        write_encoders(folder, loaded, info, onnx=onnx)
        (folder / CARD_NAME).write_text(card, encoding="utf-8")
    logger.info("%s: encoders of step %d, sha256 %s", out, loaded.step, loaded.sha256)
    return out


def _refuse_taken(out: Path, *, force: bool) -> None:
    """Raise ExportError if `out` is there, unless it is an export and nothing else, and may be replaced."""
    if not out.exists() and not out.is_symlink():
        return
    no_export = f"{out}: exists and is not an export; choose a folder that does not exist yet"
    if out.is_symlink():
        raise ExportError(no_export)
    try:
        read_description(out)
    except CheckpointError as error:
        raise ExportError(no_export) from error
    others = sorted(path.name for path in out.iterdir() if path.name not in _FILES)
    if others:
        raise ExportError(f"{out}: holds files that an export does not write ({', '.join(others[:5])}); move them")
    if not force:
        raise ExportError(f"{out}: holds an export already; --force replaces it")
