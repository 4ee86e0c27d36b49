"""The objective on whole batches: labels by construction, silent rows and other sources masked, gradients where they belong."""

from dataclasses import replace

import pytest
import torch

from preprocess.schema import SEGMENTS_PER_SOURCE_LIMIT
from tests.train.conftest import unit
from train.config.load import load_config
from train.config.schema import TERMS, LossConfig
from train.model.heads import Model, Outputs
from train.model.spaces import used_spaces
from train.objective.bank import Bank
from train.objective.objective import Segments, compute_objective
from train.plans.plan import AFTER, BEFORE, IGNORE, OVERLAP, Plan
from train.views.training_clips import TrainClips

CONFIG = load_config(
    "sample",
    ["model.tiny_width=4", "model.projection_dim=8", "bank.size=32", "bank.negative_rank_low=2", "bank.negative_rank_high=16",
     "bank.n_negatives=4", "bank.positive_ranks=2", "bank.positives=nearest", "loss.video_video=1.0"],
)  # fmt: skip
N = 4
SPEED = torch.tensor([[0, 1], [2, 3], [1, 1], [0, 0]])
PLAN = Plan(
    start=torch.zeros(N, 2, dtype=torch.long), speed=SPEED, stride=2**SPEED,
    reverse=torch.tensor([[True, False], [False, False], [True, True], [False, True]]),
    order=torch.tensor([BEFORE, IGNORE, OVERLAP, AFTER]), timed=torch.tensor([True, True, True, False]),
)  # fmt: skip


def segments(has_audio=(True,) * N, source=range(N)):
    source = torch.tensor(list(source))
    return Segments(source * SEGMENTS_PER_SOURCE_LIMIT + 7, source % 2, torch.tensor(has_audio))


def perfect_logits():
    """Logits that are right by hand, rows view after view."""
    speed, direction = [0, 2, 1, 0, 1, 3, 1, 0], [1, 0, 1, 0, 0, 0, 1, 1]
    order, order_va = [BEFORE, 0, OVERLAP, AFTER], [BEFORE, 0, OVERLAP, AFTER, AFTER, 0, OVERLAP, BEFORE]
    onehot = lambda labels, k: 20.0 * torch.nn.functional.one_hot(torch.tensor(labels), k).float()  # noqa: E731
    return {
        "speed_video": onehot(speed, 4), "speed_audio": onehot(speed, 4), "direction_video": onehot(direction, 2),
        "direction_audio": onehot(direction, 2), "order_video": onehot(order, 3), "order_audio": onehot(order, 3),
        "order_video_audio": onehot(order_va, 3),
    }  # fmt: skip


VIDEO, AUDIO = unit(8, 8), unit(8, 8, seed=1)


def embeddings(video=VIDEO, audio=AUDIO):
    """Video lies alike in both of its spaces, and audio in its own."""
    return {"within_video": video, "video": video, "audio": audio, "within_audio": audio}


def outputs_of(logits, **vectors):
    return Outputs(embeddings(**vectors), logits)


def random_clips(has_audio=(True,) * N):
    heard = torch.tensor(has_audio * 2)
    return TrainClips(torch.randn(8, 3, 8, 16, 16), torch.randn(8, 1, 64, 29), heard, sum(has_audio))


def compute(outputs, facts, *, use_bank=False, bank=None, config=CONFIG):
    bank = bank or Bank(config.bank, 8, used_spaces(config.loss))
    generator = torch.Generator().manual_seed(0)
    return compute_objective(outputs, PLAN, facts, bank, config, use_bank=use_bank, generator=generator)


def test_temporal_labels_are_those_of_the_plan_and_a_wrong_one_is_seen_unless_its_row_is_masked():
    logits = perfect_logits()
    result = compute(outputs_of(logits), segments())
    for name in logits:
        assert result.measures[f"accuracy/{name}"] == 1, name
        assert result.terms[name] < 1e-6
    logits["speed_video"][3] = logits["speed_video"][3].flip(0)  # segment 3 is too short to be timed
    logits["speed_audio"][2] = logits["speed_audio"][2].flip(0)  # segment 2, view 0
    logits["order_video"][1] = torch.tensor([0.0, 20.0, 0.0])  # carries no order label
    result = compute(outputs_of(logits), segments())
    assert result.measures["accuracy/speed_video"] == 1
    assert result.measures["accuracy/order_video"] == 1
    assert result.measures["accuracy/speed_audio"] == pytest.approx(5 / 6)
    silent = compute(outputs_of(logits), segments((True, True, False, True)))
    assert silent.measures["accuracy/speed_audio"] == 1


def test_silent_rows_change_nothing_in_the_loss():
    other = unit(8, 8, seed=2)
    facts = segments((True, True, False, True))
    swapped = AUDIO.clone()
    swapped[[2, 6]] = other[[2, 6]]
    a, b = (compute(outputs_of(perfect_logits(), audio=x), facts).total for x in (AUDIO, swapped))
    assert torch.equal(a, b)
    swapped[[1, 5]] = other[[1, 5]]
    assert not torch.equal(a, compute(outputs_of(perfect_logits(), audio=swapped), facts).total)


def test_the_bank_adds_positives_and_negatives_after_warm_up_only():
    bank = Bank(CONFIG.bank, 8, used_spaces(CONFIG.loss))
    video, audio = unit(32, 8, seed=4), unit(32, 8, seed=5)
    bank.push(embeddings(video, audio), torch.arange(32) + 10, torch.arange(32) % 2, torch.ones(32, dtype=torch.bool))
    before, after = (compute(outputs_of({}), segments(), use_bank=use, bank=bank) for use in (False, True))
    assert not [k for k in before.measures if k.startswith("purity")]
    assert {"purity/within_video", "purity/video", "purity/audio"} <= set(after.measures)
    assert after.terms["video_video"] > before.terms["video_video"]


def test_a_batch_without_any_sound_has_finite_gradients_everywhere():
    torch.manual_seed(0)
    model = Model(CONFIG)
    result = compute(model(random_clips((False,) * N)), segments((False,) * N))
    result.total.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert result.terms["video_audio"] == 0
    assert max(p.grad.abs().max() for n, p in model.named_parameters() if "audio" in n and p.grad is not None) == 0


def test_networks_that_read_sound_learn_of_the_rows_that_have_some_as_if_there_were_no_others():
    torch.manual_seed(0)
    clips, found = random_clips((True, True, False, True)), []
    has_audio = clips.has_audio
    for rows in (torch.arange(8), has_audio.nonzero()[:, 0]):
        torch.manual_seed(1)
        model = Model(CONFIG)
        found.append((model, model(TrainClips(clips.video[rows], clips.audio[rows], has_audio[rows], 3)).logits))
    (with_silence, all_logits), (without, logits) = found
    norms = (each.encoders.audio_net.stem[1].running_mean for each in (with_silence, without))
    assert torch.equal(*norms)
    for name in ("speed_audio", "direction_audio", "order_audio"):
        assert torch.equal(with_silence.heads[name][1].running_mean, without.heads[name][1].running_mean), name
        assert torch.equal(all_logits[name][has_audio[: len(all_logits[name])]], logits[name]), name


def test_the_views_of_one_segment_alone_are_no_statistics_for_a_batch_norm():
    norms = []
    for has_audio in ((True, False, False, False), (True,) * N):
        torch.manual_seed(0)
        model = Model(CONFIG)
        model(random_clips(has_audio))
        norms.append(model.encoders.audio_net.stem[1].running_mean)
    assert torch.equal(*norms)


def test_each_contrastive_term_teaches_the_projections_of_its_own_space():
    torch.manual_seed(0)
    clips, taught = random_clips(), {}
    config = replace(CONFIG, loss=replace(CONFIG.loss, audio_audio=1.0))
    for term in ("video_video", "video_audio", "audio_audio"):
        model = Model(config)
        compute(model(clips), segments(), config=config).terms[term].backward()
        projections = [name for name, _ in model.encoders.named_children() if name.endswith("projection")]
        taught[term] = {
            name for name in projections
            if any(p.grad is not None and p.grad.abs().max() > 0 for p in getattr(model.encoders, name).parameters())
        }  # fmt: skip
    assert taught == {
        "video_video": {"within_video_projection"},
        "video_audio": {"video_projection", "audio_projection"},
        "audio_audio": {"within_audio_projection"},
    }


PICTURE_TERMS = dict.fromkeys([name for name in TERMS if "video" in name], 0.0)
SOUND = replace(CONFIG, loss=LossConfig(audio_audio=0.7, **PICTURE_TERMS))


def slow_audio_audio(z, facts, temperature):
    """Both directions, anchor by anchor: the other view against the other view of every sounding other source."""
    losses = []
    for a, b in ((z[:N], z[N:]), (z[N:], z[:N])):
        for i in range(N):
            if facts.has_audio[i]:
                others = [j for j in range(N) if facts.source[j] != facts.source[i] and facts.has_audio[j]]
                scores = torch.stack([a[i] @ b[i], *(a[i] @ b[j] for j in others)]) / temperature
                losses.append(-scores.log_softmax(0)[0] if others else torch.zeros(()))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("has_audio", [(True,) * N, (True, False, True, True)])
@pytest.mark.parametrize("source", [range(N), (0, 0, 2, 3)])
def test_the_term_between_sounds_is_a_slow_ones(has_audio, source):
    z, facts = unit(2 * N, 8, seed=3), segments(has_audio, source)
    result = compute(Outputs({"within_audio": z}, {}), facts, config=SOUND)
    wanted = slow_audio_audio(z, facts, SOUND.loss.temperature)
    assert set(result.terms) == {"audio_audio"}
    assert torch.allclose(result.terms["audio_audio"], wanted, atol=1e-6)
    assert torch.allclose(result.total, 0.7 * wanted, atol=1e-6)


def test_sound_alone_trains_the_audio_network_and_touches_nothing_of_the_picture():
    torch.manual_seed(0)
    model = Model(SOUND)
    result = compute(model(replace(random_clips(), video=None)), segments(), config=SOUND)
    assert set(result.terms) == {"speed_audio", "direction_audio", "order_audio", "audio_audio"}
    result.total.backward()
    for name, p in model.named_parameters():
        is_read = "video" not in name and not name.startswith("encoders.audio_projection")
        assert p.requires_grad == is_read, name
        assert (p.grad is not None and bool(p.grad.any())) == is_read, name
