"""`make gpu-check`: tests, loading, training steps, a short training and its embeddings on one GPU, within eight minutes.

Each part has its share of the time, and says what it left out. What a part has found is printed and written at once, so
a check that is cut off leaves the parts before. docs/explanation/gpu.md says what the output means.
"""

import argparse
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import psutil
import torch

from benchmarks.gpu import step
from benchmarks.training_step import clock
from evaluate.embedding.clip_encoders import load_run
from evaluate.embedding.embed import embed
from evaluate.embedding.embed_task import EmbedOptions
from evaluate.results.origin import origin
from evaluate.results.sheet import Sheet
from preprocess.shards.manifest import read_dataset
from store.errors import AvtempoError
from train.config.load import load_config
from train.config.schema import Config
from train.data.loader import SegmentLoader
from train.export.export import describe, write_encoders
from train.ranks.distributed import join_world
from train.run.checkpoint import LAST_NAME, load_encoders
from train.run.pretraining import loader_config, pretrain
from train.run.run_log import LOG_NAME

ROOT = Path(__file__).parents[2]
TESTS = ("tests/train/data/test_mixed_decoding.py", "tests/train/run/test_gpu_steps.py")
WHOLE_SECONDS = 480.0
COMPILE_SECONDS = 60.0
"""Least time left for a compiled case: a compilation cannot be broken off."""
LOADING_SECONDS = 6.0
FAILURES = (
    AvtempoError, RuntimeError, OSError, ValueError, TypeError, LookupError, AttributeError, ImportError,
    subprocess.SubprocessError,
)  # fmt: skip
"""What may go wrong in one part, on a machine that nobody has tried, without keeping the next parts from running."""


@dataclass
class Check:
    """What all parts share: arguments, the run's folder, and the seconds of a step of each case."""

    arguments: argparse.Namespace
    run: Path
    seconds: dict[step.Case, float] = field(default_factory=dict)

    def load(self, *overrides: str) -> Config:
        """Give the preset under the settings of the command line, and further ones."""
        shards = f"data.shards={self.arguments.shards}"
        return load_config(self.arguments.preset, [*self.arguments.set, shards, *overrides])

    def machine(self, _until: float) -> list[str]:
        """Versions and hardware."""
        import nvidia.dali
        import torchvision

        facts = origin() | {"Python": sys.version.split()[0]}
        facts |= {each.__name__: each.__version__ for each in (torch, torchvision, nvidia.dali)}
        if self.arguments.device == "cuda":
            gpu = torch.cuda.get_device_properties(0)
            facts["GPU"] = f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
        return [f"- {key}: {value}" for key, value in facts.items()]

    def tests(self, until: float) -> list[str]:
        """Run the tests that compare the GPU with the CPU."""
        options = ["-m", "gpu", "-q", "--tb=short", "-rsP", "-p", "no:cacheprovider"]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pytest", *options, *TESTS], cwd=ROOT, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, check=False, timeout=max(1.0, until - time.monotonic()),
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            return [f"left out: not through after {error.timeout:.0f} s"]
        lines = ["```", *done.stdout.splitlines()[-60:], "```"]
        if done.returncode:
            raise RuntimeError("tests failed:\n" + "\n".join(lines))
        return lines

    def loading(self, until: float) -> list[str]:
        """Draw batches without training."""
        config, rows = self.load(), []
        for decoding, device in {"mixed": "cuda", "CPU": "cpu"}.items():
            if device == "cuda" and self.arguments.device == "cpu":
                rows.append([decoding, "left out: no GPU"])
                continue
            loader = SegmentLoader(loader_config(config, join_world(self.arguments.device)), device)
            for _ in range(5):
                next(loader)
            since, n = clock(), 0
            end = min(until, time.monotonic() + LOADING_SECONDS)
            while n == 0 or time.monotonic() < end:
                n += len(next(loader))
            rows.append([decoding, f"{n / (clock() - since):.0f}"])
        job = f"batches of {config.data.batch_size}, {config.data.num_threads} threads"
        return [Sheet("", ["decoding", f"segments/s, {job}"], rows).grid()]

    def training_steps(self, until: float) -> list[str]:
        """Measure the training step, case by case, as far as the time goes."""
        rows, notes, took = [], [], 0.0
        for case in step.cases(self.arguments.batches):
            since = time.monotonic()
            if since + max(took, COMPILE_SECONDS * case.compiled) > until:
                notes.append(f"- left out, no time: {case}")
                continue
            try:
                self.seconds[case], row = step.measure(case, self.load, self.arguments.device, self.arguments.steps)
                rows.append(row)
            except FAILURES as error:
                notes.append(f"- **failed**: {case}: {type(error).__name__}: {error}")
            gc.collect()  # the trainer and its loader
            torch.cuda.empty_cache()
            took = time.monotonic() - since
            print(case, f"after {took:.0f} s", flush=True)
        return [Sheet("", step.HEAD, rows).grid(), "", *notes]

    def training(self, until: float) -> list[str]:
        """Train the preset for the time that is left to this part; leave its log and its encoders."""
        plain, seconds = self.load(), until - time.monotonic()
        own = step.Case(plain.data.batch_size, plain.optim.precision, plain.optim.channels_last, compiled=False)
        n = max(10, int(0.85 * seconds / self.seconds[own])) if own in self.seconds else plain.steps
        config = self.load(
            f"steps={n}", f"checkpoint_every={n}", "log_every=10", f"optim.warmup_steps={n // 20}",
            f"bank.warmup_steps={n // 10}", "heldout.n_batches=8",
        )  # fmt: skip
        stop = threading.Timer(max(1.0, seconds), os.kill, (os.getpid(), signal.SIGTERM))  # saves, as any run does
        stop.start()
        try:
            is_complete = pretrain(config, self.run, device=self.arguments.device)
        finally:
            stop.cancel()
        loaded = load_encoders(self.run / "checkpoints" / LAST_NAME)
        info = describe(loaded, read_dataset(self.arguments.shards).fingerprint)
        write_encoders(self.arguments.out, loaded, info, onnx=False)
        shutil.copy(self.run / LOG_NAME, self.arguments.out)
        last = (self.run / LOG_NAME).read_text(encoding="utf-8").splitlines()[-1]
        whole = "complete" if is_complete else "stopped when its time was over"
        return [f"{loaded.step} of {n} steps, {whole}; the log's last line:", "", f"`{last}`"]

    def embedding(self, _until: float) -> list[str]:
        """Embed all clips by the trained encoders."""
        run = load_run(self.run / "checkpoints" / LAST_NAME, ["pretrained"], self.arguments.device)
        info, since = read_dataset(self.arguments.shards), clock()
        options = EmbedOptions(batch_size=32, device=self.arguments.device, num_threads=run.config.data.num_threads)
        embed(run, self.arguments.shards, {"pretrained": self.arguments.out / "embeddings.h5"}, info.dataset, options)
        seconds = clock() - since
        return [f"{info.n_segments} segments in {seconds:.1f} s, {info.n_segments / seconds:.0f} segments/s"]


SHARES: dict[str, tuple[Callable[[Check, float], list[str]], float]] = {
    "Machine": (Check.machine, 20),
    "Tests": (Check.tests, 50),
    "Loading alone": (Check.loading, 30),
    "Training step": (Check.training_steps, 170),
    "Training": (Check.training, 180),
    "Embedding": (Check.embedding, 30),
}
"""Parts in their order, with their seconds of `WHOLE_SECONDS`. Time that a part leaves goes to the next ones."""


def main(argv: list[str] | None = None) -> int:
    """Run the check; return 0 if no part failed, 2 if it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.check", description=__doc__)
    add = parser.add_argument
    add("--shards", type=Path, required=True, help="of videos, with the parts of the preset's split")
    add("--out", type=Path, default=Path("runs/gpu-check"), help="what is left behind (default: %(default)s)")
    add("--preset", default="ucf101", help="preset or YAML file (default: %(default)s)")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="settings laid over the preset")
    add("--batches", type=int, nargs="+", default=[32, 64], help="segments a step (default: 32 64)")
    add("--steps", type=int, default=12, help="steps that each measure counts (default: %(default)s)")
    add("--seconds", type=float, default=WHOLE_SECONDS, help="for all parts together (default: %(default)s)")
    add("--device", choices=["cuda", "cpu"], default="cuda", help="cpu tries the path (default: %(default)s)")
    arguments = parser.parse_args(argv)
    started = time.monotonic() - (time.time() - psutil.Process().create_time())  # imports take their time too
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("error: torch finds no GPU here; to try the same path without one, give --device cpu", file=sys.stderr)
        return 2
    arguments.out.mkdir(parents=True, exist_ok=True)
    report, n_failed = arguments.out / "gpu-check.md", 0
    report.write_text("# GPU check\n", encoding="utf-8")
    deadlines = accumulate(share * arguments.seconds / WHOLE_SECONDS for _, share in SHARES.values())
    with tempfile.TemporaryDirectory(prefix="avtempo-gpu-run-") as folder:
        check = Check(arguments, Path(folder) / "run")
        for (name, (part, _)), deadline in zip(SHARES.items(), deadlines, strict=True):
            since = time.monotonic()
            try:
                lines = part(check, started + deadline)
            except FAILURES as error:
                lines, n_failed = [f"**failed**: {type(error).__name__}: {error}"], n_failed + 1
            text = "\n".join([f"\n## {name} ({time.monotonic() - since:.0f} s)\n", *lines, ""])
            print(text, flush=True)
            with report.open("a", encoding="utf-8") as file:
                file.write(text)
    left = ", ".join(sorted(path.name for path in arguments.out.iterdir()))
    print(f"{time.monotonic() - started:.0f} s; left in {arguments.out}: {left}")
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
