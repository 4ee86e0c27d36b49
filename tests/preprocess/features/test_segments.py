import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocess.errors import StripError
from preprocess.features.sample_members import cut, longest_segment_frames
from preprocess.schema import MAX_STRIP_HEIGHT_PX, PRESETS, ShardParams


@settings(deadline=None)
@given(
    n_frames=st.integers(1, 5000),
    height=st.sampled_from([16, 64, 128, 224, 512, 1024]),
    preset=st.sampled_from(sorted(PRESETS)),
)
def test_segments_cover_the_source_once_and_are_equal(n_frames, height, preset):
    params = PRESETS[preset]
    segments = cut(n_frames, height, params)
    assert [frame for segment in segments for frame in segment] == list(range(n_frames))
    lengths = [len(segment) for segment in segments]
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) <= params.segment_frames * 1.05
    if params.media == "video":
        assert max(lengths) * height <= MAX_STRIP_HEIGHT_PX
    if len(segments) > 1:
        assert n_frames > (len(segments) - 1) * longest_segment_frames(height, params)


@pytest.mark.parametrize(
    ("n_frames", "lengths"),
    [(1, [1]), (125, [125]), (127, [127]), (128, [128]), (129, [65, 64]), (250, [125, 125]), (376, [126, 125, 125])],
)
def test_default_preset(n_frames, lengths):
    """125 frames of 128 px are wanted; up to 128 fit, so clips of 10.2 s stay whole."""
    assert [len(segment) for segment in cut(n_frames, 128, ShardParams())] == lengths


def test_a_frame_that_no_strip_can_hold():
    with pytest.raises(StripError, match="higher than a strip"):
        cut(10, MAX_STRIP_HEIGHT_PX + 16, ShardParams())
