"""A made-up batch that one process takes whole or two take by halves; run as a program, it is one of the two.

Norms are in eval mode, with statistics that are not trivial: CPU ranks have no synchronised batch norm, so their batch
statistics would differ, and the comparison is about the objective and the gathers. Extra positives and negatives are
drawn from as many ranks of the bank as there are to draw: the set is then the same whatever the generator says.
"""

import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from preprocess.schema import SEGMENTS_PER_SOURCE_LIMIT
from train.config.load import load_config
from train.config.schema import Config
from train.model.heads import Model
from train.model.spaces import used_spaces
from train.objective.bank import Bank
from train.objective.objective import Segments, compute_objective
from train.plans.plan import IGNORE, Plan
from train.ranks.distributed import average, gather, join_world, leave_world
from train.views.training_clips import TrainClips

N, P = 8, 8
SETTINGS = (
    "model.tiny_width=4", "model.projection_dim=8", "model.projection_hidden=16", "model.head_hidden=16",
    "bank.size=48", "bank.n_positives=3", "bank.positive_ranks=3", "bank.n_negatives=8",
    "bank.negative_rank_low=4", "bank.negative_rank_high=12",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """What a batch is like: the objective, the bank's rule, and which rows count; the second rank's rows come last."""

    objective: str = "whole"
    positives: str = "nearest"
    has_audio: str = "11011000"
    order: str = "0121----"
    timed: str = "11111101"
    settings: tuple[str, ...] = ()

    def config(self) -> Config:
        rule = [] if self.objective != "whole" else [f"bank.positives={self.positives}", "loss.video_video=1.0"]
        return load_config("sample", [*SETTINGS, *rule, *self.settings], self.objective)


CASES = {
    "positives nearest, the second rank without audio and order labels": Case(),
    "positives consensus, one clip with audio on the first rank": Case(positives="consensus", has_audio="01001111"),
    "no extra positives, the first rank without audio": Case(positives="none", has_audio="00001011", order="---10212"),
    "temporal terms alone": Case(objective="temporal"),
    "video and audio alone": Case(objective="avid", has_audio="10010111", settings=("bank.n_negatives=48",)),
    "video alone": Case(objective="video-only", settings=("bank.n_negatives=48",)),
    "audio clips among each other too": Case(has_audio="01001101", settings=("loss.audio_audio=1.0",)),
}


@dataclass(frozen=True)
class Batch:
    clips: TrainClips
    plan: Plan
    segments: Segments


def bits(text: str) -> Tensor:
    return torch.tensor([c == "1" for c in text])


def batch_of(case: Case) -> Batch:
    generator = torch.Generator().manual_seed(3)
    has_audio = bits(case.has_audio)
    present = has_audio.repeat(2)[:, None, None, None]
    video, audio = (torch.randn(2 * N, *size, generator=generator) for size in ((3, 8, 16, 16), (1, 16, 29)))
    clips = TrainClips(video, torch.where(present, audio, -2.0), has_audio.repeat(2), int(has_audio.sum()))
    speed, start = torch.randint(4, (N, 2), generator=generator), torch.zeros(N, 2, dtype=torch.long)
    reverse = torch.rand(N, 2, generator=generator) < 0.5
    order = torch.tensor([IGNORE if c == "-" else int(c) for c in case.order])
    plan = Plan(start, speed, 2**speed, reverse, order, bits(case.timed))
    source = torch.tensor([0, 1, 2, 2, 0, 4, 5, 1])  # two sources lie on both ranks, one twice on the first
    return Batch(clips, plan, Segments(source * SEGMENTS_PER_SOURCE_LIMIT, source % 3, has_audio))


def rows(value: Any, first: int, last: int) -> Any:
    """Segments first to last of a record; tensors of 2N rows hold view after view."""

    def cut(x: Tensor) -> Tensor:
        return x[first:last] if len(x) == N else torch.cat([half[first:last] for half in x.chunk(2)])

    tensors = {f.name: getattr(value, f.name) for f in fields(value) if f.name != "n_heard"}
    return replace(value, **{name: cut(tensor) for name, tensor in tensors.items()})


def part_of(batch: Batch, first: int, last: int) -> Batch:
    segments = rows(batch.segments, first, last)
    clips = replace(rows(batch.clips, first, last), n_heard=int(segments.has_audio.sum()))
    return Batch(clips, rows(batch.plan, first, last), segments)


def model_of(config: Config) -> Model:
    torch.manual_seed(0)
    model = Model(config)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.1, 0.4)  # or all rows would come out alike
    return model.eval()


def bank_of(config: Config) -> Bank:
    generator = torch.Generator().manual_seed(4)
    bank = Bank(config.bank, P, used_spaces(config.loss))
    embeddings = {s: nn.functional.normalize(torch.randn(40, P, generator=generator), dim=1) for s in bank.spaces}
    source = torch.arange(40) % 10
    bank.push(embeddings, source, source % 3, torch.rand(40, generator=generator) < 0.7)
    return bank


def step(case: Case, batch: Batch, model: Model, forward: nn.Module, bank: Bank, rank: int = 0) -> dict[str, Any]:
    """Gradients, terms and the bank after one forward and backward pass of a rank's batch, as the trainer makes it."""
    config = case.config()
    outputs = forward(batch.clips)
    generator = torch.Generator().manual_seed(rank)
    facts = batch.segments
    objective = compute_objective(outputs, batch.plan, facts, bank, config, use_bank=True, generator=generator)
    objective.total.backward()
    bank.push(
        {space: gather(x.detach().chunk(2)[0]) for space, x in outputs.embeddings.items()},
        gather(facts.source), gather(facts.label), gather(facts.has_audio),
    )  # fmt: skip
    return {
        "gradients": {name: p.grad for name, p in model.named_parameters() if p.grad is not None},
        "terms": average({name: float(value.detach()) for name, value in objective.terms.items()}),
        "bank": bank.state_dict(),
    }


def same_gradients(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    """Whether they agree up to rounding, which grows with the largest gradient."""
    assert found.keys() == wanted.keys()
    scale = max(float(g.abs().max()) for g in wanted.values())
    assert scale > 1e-3
    return all(torch.allclose(found[name], wanted[name], rtol=1e-4, atol=1e-5 * scale) for name in wanted)


def main(path: Path) -> None:
    """Take this rank's half of every case, twice; save what came out the second time."""
    torch.set_num_threads(1)
    world = join_world("cpu")
    found = {}
    for name, case in CASES.items():
        model, bank = model_of(case.config()), bank_of(case.config())
        forward = DistributedDataParallel(model)
        n = N // world.size
        batch = part_of(batch_of(case), world.rank * n, (world.rank + 1) * n)
        # Twice: DDP complains of a parameter that got no gradient when it starts the next pass.
        step(case, batch, model, forward, bank_of(case.config()), world.rank)
        model.zero_grad(set_to_none=True)
        found[name] = step(case, batch, model, forward, bank, world.rank)
    torch.save(found, path / f"rank-{world.rank}.pt")
    leave_world()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
