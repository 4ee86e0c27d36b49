"""The bank against a slow ranking: FIFO, own source never drawn, rank ranges, missing sound."""

from dataclasses import replace

import pytest
import torch

from tests.train.conftest import unit
from train.config.schema import BankConfig
from train.model.spaces import SPACES
from train.objective.bank import Bank

CONFIG = BankConfig(
    size=32, n_positives=2, positive_ranks=3, n_negatives=4, negative_rank_low=5, negative_rank_high=15, warmup_steps=0
)


def embeddings(within, video, audio):
    return {"within_video": within, "video": video, "audio": audio, "within_audio": within.flip(1)}


def filled(config=CONFIG, *, has_audio=None, seed=0):
    bank = Bank(config, 8, SPACES)
    source = torch.arange(32) // 2
    has_audio = torch.ones(32, dtype=torch.bool) if has_audio is None else has_audio
    video, audio = unit(32, 8, seed=seed), unit(32, 8, seed=seed + 1)
    bank.push(embeddings(unit(32, 8, seed=seed + 100), video, audio), source, source % 4, has_audio)
    return bank


ANCHORS = embeddings(unit(6, 8, seed=22), unit(6, 8, seed=20), unit(6, 8, seed=21))


def draw(bank, target="video", seed=5, anchors=ANCHORS):
    source, has_audio = torch.arange(6), torch.ones(6, dtype=torch.bool)
    return bank.draw(target, anchors, source, source % 4, has_audio, torch.Generator().manual_seed(seed))


def rows_of(vectors):
    return {tuple(row.tolist()) for row in vectors}


def ranks_of(drawn_row, order):
    return [next(k for k, entry in enumerate(order) if torch.equal(entry, row)) for row in drawn_row]


def slow_order(bank, similarity, i, *, heard=False):
    """Entries of other sources than i, most similar first; of audio, those that have some."""
    usable = [j for j in range(32) if int(bank.source[j]) not in (-1, i) and (bank.has_audio[j] or not heard)]
    return sorted(usable, key=lambda j: -float(similarity[i, j]))


@pytest.mark.parametrize("target", ["video", "audio", "within_video"])
def test_positives_and_negatives_come_from_their_ranks_and_never_from_the_own_source(target):
    bank = filled(has_audio=torch.arange(32) % 4 > 0)
    similarity = ANCHORS[target] @ bank.entries(target).T
    for seed in range(20):
        drawn = draw(bank, target, seed)
        for i in range(6):
            order = bank.entries(target)[slow_order(bank, similarity, i, heard=target == "audio")]
            positives, negatives = ranks_of(drawn.positives[i], order), ranks_of(drawn.negatives[i], order)
            assert set(positives) <= {0, 1, 2}
            assert len(set(positives)) == 2
            assert set(negatives) <= set(range(5, 15))
            assert len(set(negatives)) == 4


def test_consensus_ranks_by_the_smaller_similarity_and_its_positives_are_no_negatives():
    bank = filled(replace(CONFIG, positives="consensus"))
    n_masked = 0
    for seed in range(20):
        drawn = draw(bank, "audio", seed)
        agreed = torch.minimum(ANCHORS["video"] @ bank.video.T, ANCHORS["audio"] @ bank.audio.T)
        for i in range(6):
            nearest = bank.audio[slow_order(bank, agreed, i)[:3]]
            assert set(ranks_of(drawn.positives[i], nearest)) <= {0, 1, 2}
            assert not rows_of(drawn.positives[i]) & rows_of(drawn.negatives[i][drawn.negative_mask[i]])
            n_masked += int((~drawn.negative_mask[i]).sum())
    assert 0 < n_masked < 100  # some were drawn as both


def test_random_negatives_come_from_the_whole_bank_but_not_from_the_own_source_or_the_positives():
    bank = filled(replace(CONFIG, negatives="random", n_negatives=16))
    drawn_entries = set()
    for seed in range(20):
        drawn = draw(bank, seed=seed)
        for i in range(6):
            negatives = rows_of(drawn.negatives[i][drawn.negative_mask[i]])
            assert not negatives & (rows_of(drawn.positives[i]) | rows_of(bank.video[bank.source == i]))
            drawn_entries |= negatives
    assert len(drawn_entries) == 32


@pytest.mark.parametrize("target", ["video", "audio"])
def test_as_many_random_negatives_are_drawn_where_half_the_bank_is_silent(target):
    config = replace(CONFIG, negatives="random", n_negatives=12, positives="consensus")
    bank = filled(config, has_audio=torch.arange(32) % 2 > 0)
    drawn = draw(bank, target)
    entries = [tuple(row.tolist()) for row in bank.entries(target)]
    assert drawn.negative_mask.all() and drawn.positive_mask.all()
    for i in range(6):
        chosen = [entries.index(tuple(row.tolist())) for row in drawn.negatives[i]]
        agreed = [entries.index(tuple(row.tolist())) for row in drawn.positives[i]]
        assert len({*chosen, *agreed}) == len(chosen) + len(agreed)
        assert not {2 * i, 2 * i + 1} & {*chosen, *agreed}
        assert all(bank.has_audio[agreed])  # a silent entry agrees with no clip that has audio
        assert target == "video" or all(bank.has_audio[chosen])


def test_oldest_entries_leave_first_and_an_empty_bank_gives_masked_rows():
    bank = Bank(CONFIG, 8, SPACES)
    drawn = draw(bank)
    assert not drawn.positive_mask.any()
    assert not drawn.negative_mask.any()
    for i in range(5):
        n = torch.full((10,), i)
        x = unit(10, 8, seed=i)
        bank.push(embeddings(x, x, x), n, n, torch.ones(10, dtype=torch.bool))
    assert sorted(set(bank.source.tolist())) == [1, 2, 3, 4]
    assert (bank.source == 1).sum() == 2
    x, n = unit(40, 8, seed=3), torch.arange(40)
    bank.push(embeddings(x, x, x), n, n, n >= 0)  # more than it holds: the last stay
    order = bank.source.argsort()
    assert bank.source[order].tolist() == list(range(8, 40))
    assert torch.equal(bank.video[order], x[8:])


def test_purity_is_the_share_of_positives_with_the_anchors_label():
    bank = filled()
    drawn = draw(bank)
    label = {tuple(v.tolist()): int(c) for v, c in zip(bank.video, bank.label, strict=True)}
    right = [label[tuple(p.tolist())] == i % 4 for i in range(6) for p in drawn.positives[i]]
    assert float(drawn.purity) == sum(right) / len(right)
    source = torch.arange(6)
    heard = bank.draw("video", ANCHORS, source, source % 4, source < 3, torch.Generator().manual_seed(5))
    assert float(heard.purity) == pytest.approx(sum(right[:6]) / 6)  # anchors without audio have no loss in this space
    bank.label.fill_(-1)
    assert draw(bank).purity.isnan()


def test_sounds_are_ranked_among_sounds_and_a_bank_of_sounds_alone_holds_nothing_else():
    has_audio = torch.arange(32) % 4 > 0
    for rule in ("nearest", "consensus"):  # without video the consensus is that of the audio with itself
        bank = Bank(replace(CONFIG, positives=rule), 8, ("within_audio",))
        assert {name for name, buffer in bank.named_buffers() if buffer.ndim == 2} == {"within_audio"}
        sounds, anchors = unit(32, 8, seed=1), unit(6, 8, seed=2)
        source = torch.arange(32) // 2
        bank.push({"within_audio": sounds}, source, source % 4, has_audio)
        drawn = draw(bank, "within_audio", anchors={"within_audio": anchors})
        for i in range(6):
            order = sounds[slow_order(bank, anchors @ sounds.T, i, heard=True)]
            assert set(ranks_of(drawn.positives[i], order)) <= {0, 1, 2}, rule
            assert set(ranks_of(drawn.negatives[i], order)) <= set(range(5, 15)), rule
