"""Help answers at once: nothing that computes, reads or draws is loaded to show it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("PIL", "av", "faiss", "h5py", "matplotlib", "numpy", "nvidia", "pandas", "pyarrow", "ray", "sklearn", "torch")


@pytest.mark.parametrize("stage", ["preprocess", "train", "store", "evaluate"])
def test_help_is_quick_to_load(stage):
    script = (
        "import atexit, sys\n"
        f"from {stage}.__main__ import main\n"
        f"atexit.register(lambda: print('loaded', [name for name in {HEAVY} if name in sys.modules]))\n"
        "main(['--help'])\n"
    )
    said = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert f"usage: python -m {stage}" in said
    assert said.endswith("loaded []\n")
