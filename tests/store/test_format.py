"""What goes into stores: rows and provenance that are refused or converted, chunks, and bytes that are digested."""

import numpy as np
import pytest

from store.errors import RowsError
from store.format import Provenance
from store.layout import CHUNK_BYTES, Layout, digest_bytes, encode_texts
from tests.store.made_rows import build_rows


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("label", np.zeros(3, int), "column label has 3 rows, key has 4"),
        ("label", np.zeros(4), "column label must be one-dimensional"),
        ("label", np.zeros(4, np.uint64), "column label"),
        ("has_audio", np.zeros(4, int), "column has_audio"),
        ("start_seconds", [0.0, np.nan, 0.0, 0.0], "NaN"),
        ("end_seconds", [-1.0] * 4, "ends before it starts"),
        ("key", ["a", "b", None, "d"], "column key, row 2"),
        ("source", ["a", "b\0", "c", "d"], "column source, row 1"),
        ("source", ["a", "b", "c", "\udcff"], "not UTF-8"),
        ("group", np.zeros((4, 1), str), "one-dimensional"),
        ("vectors", {"video/features": np.zeros((3, 2), np.float32)}, "(4, d)"),
        ("vectors", {"video/features": np.zeros(4, np.float32)}, "video/features"),
        ("vectors", {"video/features": np.zeros((4, 2), np.int64)}, "video/features"),
        ("vectors", {"video/features": np.full((4, 2), np.inf, np.float32)}, "NaN or infinity"),
        ("vectors", {"video/features": np.full((4, 2), 1e300)}, "NaN or infinity"),
        ("vectors", {"audio/features": np.ones((4, 2), np.float32)}, "without audio must be all zeros"),
        ("vectors", {"text/features": np.zeros((4, 2), np.float32)}, "video/NAME"),
        ("vectors", {"video/../x": np.zeros((4, 2), np.float32)}, "video/NAME"),
    ],
)
def test_rows_refuse_what_a_store_cannot_hold(column, value, said):
    with pytest.raises(RowsError) as caught:
        build_rows(0, 4, **{column: value})
    assert said in str(caught.value)


def test_rows_take_lists_and_give_stored_types():
    rows = build_rows(0, 3, label=[1, 2, -1], has_video=[True] * 3, start_seconds=[0, 1, 2], end_seconds=[3, 3, 3])
    assert rows.label.dtype == np.int64
    assert rows.start_seconds.dtype == np.float64
    assert rows.key.dtype == object
    assert rows.vectors["video/features"].dtype == np.float32
    assert list(rows.vectors) == ["audio/features", "video/features"]
    assert "(3, 16)" in repr(rows)


@pytest.mark.parametrize("config", [{"a": float("nan")}, {"a": object()}, {"a": "\ud800"}])
def test_provenance_refuses_what_json_cannot_hold(config):
    with pytest.raises(RowsError, match="encoder_config"):
        Provenance("", config, "", "", "raw")


def test_chunks_are_bounded_and_never_longer_than_the_data():
    wide = Layout(10**6, {"video/features": (512, "<f4"), "video/pixels": (10**6, "<f4")})
    assert wide.chunk_rows("video/features") * 512 * 4 == CHUNK_BYTES
    assert wide.chunk_rows("video/pixels") == 1
    assert wide.block_rows("video/features") % wide.chunk_rows("video/features") == 0
    assert Layout(3, {"video/features": (512, "<f4")}).chunk_rows("video/features") == 3
    assert Layout(10**6, {}, {"key": CHUNK_BYTES * 2}).chunk_rows("key") == 1
    covered = [row for rows in Layout(70_001, {}).blocks("key") for row in range(rows.start, rows.stop)]
    assert covered == list(range(70_001))


def test_digest_does_not_depend_on_blocks_but_on_boundaries_between_strings():
    def digest(*blocks):
        return b"".join(digest_bytes(block) for block in blocks)

    numbers = np.arange(12, dtype="<f4").reshape(6, 2)
    assert digest(numbers) == digest(numbers[:1], numbers[1:1], numbers[1:])
    texts = [encode_texts(each) for each in (["ab", "c"], ["a", "bc"], ["ab"], ["c"])]
    assert digest(texts[0]) != digest(texts[1])
    assert digest(texts[0]) == digest(texts[2], texts[3])
    assert digest(texts[2]) == digest(texts[2].astype("S9")), "a wider column holds the same texts"
