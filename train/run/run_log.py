"""The log of a run: one JSON object a line, TensorBoard curves, and a progress line."""

import json
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from store.atomic_files import write_text
from train.errors import RunError, writing

logger = logging.getLogger("train")

LOG_NAME = "log.jsonl"


@dataclass(frozen=True)
class Record:
    """What one logged step says.

    Attributes:
        step: steps done.
        loss: weighted sum of the terms.
        terms: each term, unweighted.
        metrics: accuracies, on held-out segments too in steps that asked for them, purity, learning rate, gradient norm.
        seconds: time trained so far, over all starts of the run.
        clips_per_second: video clips (two a segment) since the last record, all ranks.
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
        """One line; values that are no number (nothing to measure in this step) become null."""
        return json.dumps(_finite(self.__dict__))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


class RunLog:
    """Writes a run's records; a resumed run drops those after its checkpoint and goes on.

    Raises:
        RunError: a file cannot be written, here and in every method.
    """

    def __init__(self, run_dir: Path, total_steps: int, resumed_step: int) -> None:
        self.path = run_dir / LOG_NAME
        self.total_steps = total_steps
        self.started, self.first_step = time.monotonic(), resumed_step
        with writing(self.path):
            self._drop_after(resumed_step)
            self._file = self.path.open("a", encoding="utf-8")
        from torch.utils.tensorboard import SummaryWriter

        self._curves = run_dir / "tensorboard"
        with writing(self._curves):
            self._board = SummaryWriter(str(self._curves), purge_step=resumed_step + 1)

    def write(self, record: Record) -> None:
        """Append to the JSON lines and TensorBoard, and show a progress line."""
        with writing(self.path):
            self._file.write(record.to_json() + "\n")
            self._file.flush()
        with writing(self._curves):
            self._board.add_scalar("loss", record.loss, record.step)
            for group, values in (("terms", record.terms), ("metrics", record.metrics)):
                for name, value in values.items():
                    self._board.add_scalar(f"{group}/{name}", value, record.step)
        logger.info(self.progress(record))

    def progress(self, record: Record) -> str:
        """One line for people: where it is, how it does, how long it will take."""
        rate = (time.monotonic() - self.started) / max(1, record.step - self.first_step)
        left = rate * (self.total_steps - record.step)
        return (
            f"step {record.step}/{self.total_steps}  loss {record.loss:.3f}  {record.clips_per_second:.0f} clips/s  "
            f"waiting for data {record.data_wait_share:.0%}  left {_clock(left)}"
        )

    def close(self) -> None:
        """Flush and close both files."""
        with writing(self.path):
            self._file.close()
        with writing(self._curves):
            self._board.close()

    def _drop_after(self, step: int) -> None:
        if self.path.is_symlink():  # it may lead anywhere, and would be appended to
            raise RunError(f"{self.path}: is a link; move it away, the run goes on with a new log")
        if not self.path.exists():
            return
        kept = []
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                is_kept = json.loads(line)["step"] <= step
            except (
                ValueError,
                KeyError,
                TypeError,
                RecursionError,
            ):  # the last line of a killed run may be half a line
                continue
            if is_kept:
                kept.append(line)
        write_text(self.path, "".join(f"{line}\n" for line in kept), writing)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
