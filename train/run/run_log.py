"""The log of a run: one JSON object per line, TensorBoard curves, and a progress line."""

import json
import logging
import math
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from store.atomic_files import write_text
from train.errors import RunError, writing

logger = logging.getLogger("train")

LOG_NAME = "log.jsonl"


@dataclass(frozen=True)
class Record:
    """One logged step.

    Attributes:
        step: steps done.
        loss: weighted sum of the terms.
        terms: each term, unweighted.
        metrics: accuracies (on held-out segments too, in steps that evaluate them), purity, learning rate, gradient norm.
        seconds: time trained so far, over all starts of the run.
        clips_per_second: video clips (two per segment) since the last record, all ranks.
        data_wait_share: share of the time since the last record that was spent waiting for data.
    """

    step: int
    loss: float
    terms: dict[str, float]
    metrics: dict[str, float]
    seconds: float
    clips_per_second: float
    data_wait_share: float

    def to_json(self) -> str:
        """Write one line; NaN and infinity (nothing was measured in this step) become null."""
        return json.dumps(_finite(self.__dict__))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


class RunLog:
    """Writes a run's records; a resumed run drops those after its checkpoint and continues.

    Args:
        run_dir: directory of the run.
        total_steps: of the whole run.
        resumed_step: step of the checkpoint, 0 for a new run.

    Raises:
        RunError: a file cannot be written, here and in every method.
    """

    def __init__(self, run_dir: Path, total_steps: int, resumed_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.path, self._curves = run_dir / LOG_NAME, run_dir / "tensorboard"
        self.total_steps, self.first_step, self.started = total_steps, resumed_step, time.monotonic()
        with writing(self.path):
            self._drop_after(resumed_step)
            self._file = self.path.open("a", encoding="utf-8")
        with writing(self._curves):
            self._board = SummaryWriter(str(self._curves), purge_step=resumed_step + 1)

    def write(self, record: Record) -> None:
        """Append to the JSON lines and TensorBoard, and log a progress line."""
        with writing(self.path):
            self._file.write(record.to_json() + "\n")
            self._file.flush()
        with writing(self._curves):
            self._board.add_scalar("loss", record.loss, record.step)
            for group, values in (("terms", record.terms), ("metrics", record.metrics)):
                for name, value in values.items():
                    self._board.add_scalar(f"{group}/{name}", value, record.step)
        rate = (time.monotonic() - self.started) / max(1, record.step - self.first_step)
        minutes, seconds = divmod(round(rate * (self.total_steps - record.step)), 60)
        logger.info(
            "step %d/%d  loss %.3f  %.0f clips/s  waiting for data %.0f%%  left %d:%02d:%02d", record.step,
            self.total_steps, record.loss, record.clips_per_second, 100 * record.data_wait_share, *divmod(minutes, 60),
            seconds,
        )  # fmt: skip

    def close(self) -> None:
        """Flush and close both files."""
        with writing(self.path):
            self._file.close()
        with writing(self._curves):
            self._board.close()

    def _drop_after(self, step: int) -> None:
        """Keep the records of the first steps; the last line of a killed run may be half a line."""
        if self.path.is_symlink():  # it may lead anywhere, and would be appended to
            raise RunError(f"{self.path}: is a link; move it away, and the run continues with a new log")
        if not self.path.exists():
            return
        kept = [f"{json.dumps(record)}\n" for record in read_log(self.path.parent) if record["step"] <= step]
        write_text(self.path, "".join(kept), writing)


def read_log(run: Path) -> list[dict[str, Any]]:
    """Read the records of a run, in order; without a log none. Half a line, as a killed run leaves, is passed over."""
    path, records = run / LOG_NAME, []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        with suppress(ValueError, RecursionError):
            record = json.loads(line)
            if isinstance(record, dict) and isinstance(record.get("step"), int):
                records.append(record)
    return records
