"""Mark of the tests that need a GPU. They compare it with the CPU, whose results the other tests verify."""

import pytest
import torch

DEVICE = "cuda"

needs_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available(), reason="torch finds no GPU here; `make gpu-check` runs these tests"
    ),
]
