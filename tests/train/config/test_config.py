"""Configurations: presets load, survive a round trip, and refuse what they do not know."""

import pytest

from train.config.load import PRESETS_DIR, load_config, objective_names
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
        ("optim.lr=[", r"optim.lr=\[.*YAML"),
        ("steps=0", "steps"),
        ("log_every=0", "log_every"),
        ("optim.accumulate=0", "optim.accumulate"),
        ("loss.temperature=0", "loss.temperature"),
        ("loss.video_video=-1", "loss.video_video"),
        ("clip.crop_px=64", "clip.crop_px is cut out of data.frame_px"),  # 48: the middle square would be a corner
        ("clip.speeds=[]", "speeds"),
        ("augment.scale_min=0", "scale_min"),
        ("augment.crop_columns=[0.5, 1]", "crop_columns"),
        ("bank.n_negatives=385", "n_negatives"),  # of ranks 128 to 512
        ("bank.positive_ranks=129", "positive_ranks"),
    ],
)
def test_wrong_settings_are_refused_by_name(override, named):
    with pytest.raises(ConfigError, match=named):
        load_config("sample", [override])


def test_an_objective_that_leaves_nothing_to_learn_is_refused():
    with pytest.raises(ConfigError, match="no term has a weight above 0"):
        load_config("esc50", objective="avid")  # which has sound alone


def test_a_value_in_the_place_of_a_group_is_refused(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("loss: 3\n")
    with pytest.raises(ConfigError, match=r"own\.yaml: loss: "):
        load_config(path)


def test_a_preset_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_bytes(b"\xff\xfe\x00steps")
    with pytest.raises(ConfigError, match=r"own\.yaml does not hold settings in YAML"):
        load_config(path)


def test_unknown_preset_lists_the_known_ones():
    with pytest.raises(ConfigError, match="kinetics400, sample"):
        load_config("nothing")


def _changes(objective):
    """Settings, by dotted name, in which an objective differs from the whole method."""
    whole, other = load_config("sample").as_dict(), load_config("sample", objective=objective).as_dict()
    groups = [key for key in whole if isinstance(whole[key], dict)]
    return {f"{g}.{k}": v for g in groups for k, v in other[g].items() if whole[g][k] != v}


@pytest.mark.parametrize("objective", objective_names())
def test_an_objective_only_switches_terms_and_draws_off(objective):
    changes = _changes(objective)
    assert bool(changes) == (objective != "whole")
    for name, value in changes.items():
        assert (name.startswith("loss.") and value == 0) or name in ("bank.positives", "bank.negatives"), name
    assert changes.get("bank.negatives", "none") == "none"
    assert changes.get("bank.positives", "none") == ("consensus" if objective == "avid-cma" else "none")
    assert load_config("sample", objective=objective).objective == objective


def test_rivals_keep_the_terms_that_name_them():
    kept = {name: {k for k, v in load_config("sample", objective=name).as_dict()["loss"].items() if v > 0} for name in (
        "video-only", "avid", "avid-cma", "temporal-without-order")}  # fmt: skip
    for terms in kept.values():
        terms.discard("temperature")
    assert kept["video-only"] == {"video_video"}
    assert kept["avid"] == {"video_audio"}
    assert kept["avid-cma"] == {"video_video", "video_audio"}
    assert kept["temporal-without-order"] == {"speed_video", "speed_audio", "direction_video", "direction_audio"}


def test_an_unknown_objective_is_refused_and_the_others_are_named():
    with pytest.raises(ConfigError, match=r"no objective 'supervised'; there are: whole, avid, avid-cma"):
        load_config("sample", objective="supervised")


def test_settings_have_the_last_word_over_an_objective():
    assert load_config("sample", ["loss.speed_video=0.5"], objective="avid").loss.speed_video == 0.5
