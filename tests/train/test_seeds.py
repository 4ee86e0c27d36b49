"""Random streams: no two of many have one seed, and a stream keeps its seed on every machine."""

from itertools import product

from train.seeds import stream_seed


def test_no_two_streams_of_seeds_ranks_steps_and_parts_have_one_seed():
    keys = list(product((0, 1, 2, 1_000_003), range(8), (*range(100), *range(124_950, 125_050)), range(2)))
    keys += [(seed, rank) for seed, rank in product(range(50), range(8))]
    assert len({stream_seed("step", *key) for key in keys}) == len(keys)
    assert stream_seed("step", 0) != stream_seed("step", 0, 0) != stream_seed("windows", 0, 0)


def test_a_stream_has_the_same_seed_for_ever():
    assert stream_seed("step", 0, 0, 0, 0) == 8_791_845_355_195_636_133
