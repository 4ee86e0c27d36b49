"""The bank against a slow ranking: FIFO, own source never drawn, rank ranges, missing sound."""

import torch

from tests.train.objective.unit import unit
from train.config.schema import BankConfig
from train.model.spaces import SPACES, Embeddings
from train.objective.bank import Bank

CONFIG = BankConfig(
    size=32, n_positives=2, positive_ranks=3, n_negatives=4, negative_rank_low=5, negative_rank_high=15, warmup_steps=0
)


def embeddings(within, video, audio):
    return Embeddings({"within_video": within, "video": video, "audio": audio, "within_audio": within.flip(1)})


def filled(config=CONFIG, *, has_audio=None, seed=0):
    bank = Bank(config, 8, SPACES)
    source = torch.arange(32) // 2
    has_audio = torch.ones(32, dtype=torch.bool) if has_audio is None else has_audio
    video, audio = unit(32, 8, seed=seed), unit(32, 8, seed=seed + 1)
    bank.push(embeddings(unit(32, 8, seed=seed + 100), video, audio), source, source % 4, has_audio)
    return bank


def draw(bank, target="video", seed=5, has_audio=True):
    generator = torch.Generator().manual_seed(seed)
    source = torch.arange(6)
    video, audio = unit(6, 8, seed=20), unit(6, 8, seed=21)
    return video, audio, bank.draw(
        target, embeddings(unit(6, 8, seed=22), video, audio), source, source % 4, torch.full((6,), has_audio), generator
    )  # fmt: skip


def ranks_of(drawn_row, order):
    return [next(k for k, entry in enumerate(order) if torch.equal(entry, row)) for row in drawn_row]


def slow_order(bank, similarity, i):
    """Entries of other sources than i, most similar first."""
    usable = [j for j in range(32) if int(bank.source[j]) not in (-1, i)]
    return sorted(usable, key=lambda j: -float(similarity[i, j]))


def test_positives_and_negatives_come_from_their_ranks_and_never_from_the_own_source():
    bank = filled()
    for seed in range(20):
        video, _, drawn = draw(bank, seed=seed)
        similarity = video @ bank.video.T
        for i in range(6):
            order = [bank.video[j] for j in slow_order(bank, similarity, i)]
            positives, negatives = ranks_of(drawn.positives[i], order), ranks_of(drawn.negatives[i], order)
            assert set(positives) <= {0, 1, 2}
            assert len(set(positives)) == 2
            assert set(negatives) <= set(range(5, 15))
            assert len(set(negatives)) == 4


def test_consensus_ranks_by_the_smaller_similarity():
    config = BankConfig(**{**CONFIG.__dict__, "positives": "consensus"})
    bank = filled(config)
    video, audio, drawn = draw(bank, target="audio")
    agreed = torch.minimum(video @ bank.video.T, audio @ bank.audio.T)
    for i in range(6):
        nearest = slow_order(bank, agreed, i)[:3]
        assert set(ranks_of(drawn.positives[i], [bank.audio[j] for j in nearest])) <= {0, 1, 2}


def test_what_the_consensus_makes_a_positive_is_no_negative():
    bank = filled(BankConfig(**{**CONFIG.__dict__, "positives": "consensus"}))
    n_masked = 0
    for seed in range(20):
        _, _, drawn = draw(bank, target="audio", seed=seed)
        for i in range(6):
            positives = {tuple(row.tolist()) for row in drawn.positives[i]}
            negatives = {tuple(row.tolist()) for row in drawn.negatives[i][drawn.negative_mask[i]]}
            assert not positives & negatives
            n_masked += int((~drawn.negative_mask[i]).sum())
    assert 0 < n_masked < 100  # some were drawn as both


def test_random_negatives_come_from_the_whole_bank_but_not_from_the_own_source_or_the_positives():
    bank = filled(BankConfig(**{**CONFIG.__dict__, "negatives": "random", "n_negatives": 16}))
    drawn_entries = set()
    for seed in range(20):
        _, _, drawn = draw(bank, seed=seed)
        for i in range(6):
            negatives = {tuple(row.tolist()) for row in drawn.negatives[i][drawn.negative_mask[i]]}
            assert not negatives & {tuple(row.tolist()) for row in drawn.positives[i]}
            assert not negatives & {tuple(row.tolist()) for row in bank.video[bank.source == i]}
            drawn_entries |= negatives
    assert len(drawn_entries) == 32


def test_silent_entries_are_never_drawn_as_sound():
    has_audio = torch.arange(32) % 2 == 0
    bank = filled(has_audio=has_audio)
    _, _, drawn = draw(bank, target="audio")
    silent = {tuple(row.tolist()) for row in bank.audio[~has_audio]}
    for rows, mask in ((drawn.positives, drawn.positive_mask), (drawn.negatives, drawn.negative_mask)):
        assert mask.any()
        assert not {tuple(r.tolist()) for r in rows[mask]} & silent


def test_oldest_entries_leave_first_and_an_empty_bank_gives_masked_rows():
    bank = Bank(CONFIG, 8, SPACES)
    _, _, drawn = draw(bank)
    assert not drawn.positive_mask.any()
    assert not drawn.negative_mask.any()
    for i in range(5):
        n = torch.full((10,), i)
        x = unit(10, 8, seed=i)
        bank.push(embeddings(x, x, x), n, n, torch.ones(10, dtype=torch.bool))
    assert sorted(set(bank.source.tolist())) == [1, 2, 3, 4]
    assert (bank.source == 1).sum() == 2


def test_purity_is_the_share_of_positives_with_the_anchors_label():
    bank = filled()
    video, _, drawn = draw(bank)
    label = {tuple(v.tolist()): int(c) for v, c in zip(bank.video, bank.label, strict=True)}
    right = [label[tuple(p.tolist())] == i % 4 for i in range(6) for p in drawn.positives[i]]
    assert float(drawn.purity) == sum(right) / len(right)
    assert len(video) == 6


def test_purity_is_unknown_where_no_label_is():
    bank = filled()
    bank.label.fill_(-1)
    _, _, drawn = draw(bank)
    assert drawn.purity.isnan()


def test_clips_of_a_video_are_ranked_in_their_own_space():
    bank = filled()
    _, _, drawn = draw(bank, target="within_video")
    similarity = unit(6, 8, seed=22) @ bank.within_video.T
    for i in range(6):
        order = slow_order(bank, similarity, i)
        assert set(ranks_of(drawn.positives[i], bank.within_video[order])) <= {0, 1, 2}


def test_of_more_entries_than_it_holds_the_bank_keeps_the_last():
    bank = Bank(CONFIG, 8, SPACES)
    x, n = unit(40, 8, seed=3), torch.arange(40)
    bank.push(embeddings(x, x, x), n, n, torch.ones(40, dtype=torch.bool))
    assert bank.source.tolist() == list(range(8, 40))
    assert torch.equal(bank.video, x[8:])


def test_sounds_are_ranked_among_sounds_and_a_bank_of_sounds_alone_holds_nothing_else():
    has_audio = torch.arange(32) % 4 > 0
    for rule in ("nearest", "consensus"):  # without video the consensus is that of the audio with itself
        bank = Bank(BankConfig(**{**CONFIG.__dict__, "positives": rule}), 8, ("within_audio",))
        assert {name for name, buffer in bank.named_buffers() if buffer.ndim == 2} == {"within_audio"}
        sounds, anchors = unit(32, 8, seed=1), unit(6, 8, seed=2)
        source = torch.arange(32) // 2
        bank.push(Embeddings({"within_audio": sounds}), source, source % 4, has_audio)
        drawn = bank.draw(
            "within_audio", Embeddings({"within_audio": anchors}), torch.arange(6), torch.arange(6) % 4,
            torch.ones(6, dtype=torch.bool), torch.Generator().manual_seed(0),
        )  # fmt: skip
        for i in range(6):
            heard = [j for j in slow_order(bank, anchors @ sounds.T, i) if has_audio[j]]
            assert set(ranks_of(drawn.positives[i], [sounds[j] for j in heard])) <= {0, 1, 2}, rule
            assert set(ranks_of(drawn.negatives[i], [sounds[j] for j in heard])) <= set(range(5, 15)), rule
