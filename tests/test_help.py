"""Help answers at once, and on machines that lack what only the work itself needs."""

import pytest

from tests.processes import run

HEAVY = ("PIL", "av", "faiss", "h5py", "matplotlib", "numpy", "nvidia", "pandas", "pyarrow", "ray", "sklearn", "torch")
STAGES = ("preprocess", "train", "store", "evaluate")


@pytest.mark.parametrize("stage", STAGES)
def test_every_command_has_help_that_is_quick_to_load_without_dali_git_or_affinity(stage):
    """As on macOS and in slim images: DALI does not import, nothing lies on the PATH, os.sched_getaffinity is missing."""
    said = run(
        "-c",
        "import contextlib, io, os, re, sys\n"
        "sys.modules['nvidia'] = sys.modules['nvidia.dali'] = None\n"
        "del os.sched_getaffinity\n"
        f"from {stage}.__main__ import main\n"
        "def help_of(*words):\n"
        "    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):\n"
        "        main([*words, '--help'])\n"
        "    return said.getvalue()\n"
        "commands = re.findall(r'^    ([a-z][a-z0-9-]*)(?:  | *$)', help_of(), re.MULTILINE)\n"
        f"print([name for name in {HEAVY} if sys.modules.get(name)])\n"
        "print(*(f'{name}:{len(help_of(name))}' for name in commands))\n",
        PATH="",
    )
    assert said.returncode == 0, said.stderr
    loaded, helps = said.stdout.splitlines()
    assert loaded == "[]"
    lengths = [int(word.partition(":")[2]) for word in helps.split()]
    assert len(lengths) >= 2
    assert min(lengths) > 200
