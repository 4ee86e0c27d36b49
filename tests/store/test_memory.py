"""Memory does not grow with the store."""

import numpy as np
import pytest

from tests.processes import run
from tests.store.made_rows import write_rows

USE = """
import resource, sys
from pathlib import Path
import numpy as np
import pyarrow.parquet
from store.export import export
from store.reader import EmbeddingStore
from store.search import nearest
from store.verify import verify
from store.writer import join_parts

folder = Path(sys.argv[1])
join_parts(sorted(folder.glob("part-*.h5"))[: int(sys.argv[2])], folder / "out.h5")
assert verify(folder / "out.h5") == []
with EmbeddingStore(folder / "out.h5") as store:
    export(store, folder / "out.parquet")
    export(store, folder / "out.npz")
    vectors = store.sliceable("video/features")
    assert (nearest(vectors[:10], vectors, 1).indices[:, 0] == np.arange(10)).all()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_join_verify_export_and_search_need_the_same_memory_for_four_times_the_data(tmp_path):
    for number in range(8):  # 20 MB of vectors each
        vectors = {"video/features": np.random.default_rng(number).random((10_000, 512), np.float32)}
        write_rows(tmp_path / f"part-{number}.h5", number * 10_000, (number + 1) * 10_000, vectors=vectors)
    few, many = (int(run("-c", USE, tmp_path, n_parts).stdout) for n_parts in (2, 8))
    assert many - few < 60, f"{few} MiB for 40 MB of vectors, {many} MiB for 160 MB"
