"""Configurations: presets load, survive a round trip, and refuse what they do not know."""

import pytest

from train.config import PRESETS_DIR, load_config
from train.errors import ConfigError

PRESETS = sorted(p.stem for p in PRESETS_DIR.glob("*.yaml"))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_a_round_trip(name, tmp_path):
    config = load_config(name, ["optim.lr=1e-4", "clip.speeds=[1, 2]"])
    assert config.optim.lr == 1e-4
    assert config.clip.speeds == (1, 2)
    saved = tmp_path / "config.yaml"
    saved.write_text(config.to_yaml())
    assert load_config(saved) == config


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("optim.learning_rate=1", "optim.learning_rate"),
        ("bank.positives=best", "bank.positives"),
        ("steps=many", "steps"),
        ("clip.speeds=[4, 2]", "speeds"),
        ("bank.negative_rank_high=999999", "negative_rank_high"),
        ("data.window_frames=4", "window_frames"),
        ("optim.lr", "key.subkey=value"),
    ],
)
def test_wrong_settings_are_refused_by_name(override, named):
    with pytest.raises(ConfigError, match=named):
        load_config("sample", [override])


def test_unknown_preset_lists_the_known_ones():
    with pytest.raises(ConfigError, match="kinetics400, sample"):
        load_config("nothing")
