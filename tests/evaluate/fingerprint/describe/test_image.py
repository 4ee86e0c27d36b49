"""Images with more than 8 bits a pixel: as bright as they look, or refused."""

import numpy as np
import pytest
from PIL import Image

from evaluate.fingerprint.describe.image import read_image
from preprocess.errors import MediaError

RAMP = np.tile(np.linspace(0, 255, 64).round().astype(np.uint8), (64, 1))


@pytest.mark.parametrize("name", ["grey.png", "grey.tif"])
def test_grey_of_16_bits_is_as_bright_as_of_8(name, tmp_path):
    Image.fromarray(RAMP.astype(np.uint16) * 257).save(tmp_path / name)
    assert (read_image(tmp_path / name, 64) == RAMP[..., None]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_pixels_of_32_bits_are_refused(dtype, tmp_path):
    Image.fromarray((RAMP / 255).astype(dtype)).save(tmp_path / "deep.tif")
    with pytest.raises(MediaError, match="save it with 8 or 16 bits"):
        read_image(tmp_path / "deep.tif", 64)
