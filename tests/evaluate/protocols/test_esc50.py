"""ESC-50's folds: nothing of a tested fold is seen, and the numbers are scikit-learn's own."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from evaluate.errors import SplitError
from evaluate.protocols.bootstrap import CHANCE
from evaluate.protocols.esc50.folds import COSTS, ESC10, SVM, Contestant, Recordings, choose_cost, evaluate, fold_hits
from evaluate.protocols.result_table import folds_sheet
from evaluate.protocols.video_features import l2_normalise

NAMES = ("dog", "rain", "engine", "rooster")


def recordings(signal, n_each=4, n_clips=2, n_dims=12, seed=0, folds=(1, 2, 3, 4, 5)):
    """Classes by folds by n_each recordings, each of n_clips noisy clips about its class's direction."""
    rng = np.random.default_rng(seed)
    labels = np.tile(np.repeat(np.arange(len(NAMES)), n_each), len(folds))
    centre = rng.standard_normal((len(NAMES), n_dims))
    owner = np.repeat(np.arange(len(labels)), n_clips)
    features = signal * centre[labels[owner]] + rng.standard_normal((len(owner), n_dims))
    return Recordings(
        labels, tuple(NAMES[label] for label in labels), np.repeat(folds, len(NAMES) * n_each),
        l2_normalise(features), owner,
    )  # fmt: skip


def value(results, task, model, fold=None):
    return next(r.value for r in results if (r.task, r.model, r.split) == (task, model, fold))


def test_each_fold_is_scikit_learns_svm_on_the_four_others_clips_averaged():
    some = recordings(1.0)
    for fold in (1, 4):
        train, test = (mask[some.owner] for mask in (some.folds != fold, some.folds == fold))
        cost = choose_cost(some.take(some.folds != fold))
        model = LinearSVC(C=cost, dual="auto", random_state=0, max_iter=2000)
        model.fit(some.features[train], some.labels[some.owner[train]])
        scores = model.decision_function(some.features[test]).reshape(-1, 2, len(NAMES)).mean(axis=1)
        wanted = np.mean(scores.argmax(axis=1) == some.labels[some.folds == fold])
        assert fold_hits(some, fold).mean() == pytest.approx(wanted)


def test_the_mean_over_folds_chance_and_the_ten_classes():
    results = evaluate({"pretrained": Contestant(recordings(3.0)), "raw": Contestant(recordings(0.0))}.items())
    assert value(results, SVM, "pretrained") > 0.95
    assert abs(value(results, SVM, "raw") - 0.25) < 0.2
    assert value(results, SVM, CHANCE) == 0.25
    assert value(results, f"{SVM}-esc10", CHANCE) == pytest.approx(1 / 3)  # an engine is none of the ten
    folds = [value(results, SVM, "raw", fold) for fold in (1, 2, 3, 4, 5)]
    assert value(results, SVM, "raw") == pytest.approx(np.mean(folds))
    assert {r.n for r in results if r.task == SVM and r.split} == {16}
    assert {r.n for r in results if r.task == f"{SVM}-esc10" and r.split} == {12}
    assert len(ESC10) == 10
    table = folds_sheet(results, "esc50")
    assert table.title == "esc50: top-1, mean over the folds shown and of each, per cent"
    assert table.columns == ["task", "model", "mean", *"12345"]
    assert len(table.rows) == 6


def test_a_recording_without_audio_counts_and_two_classes_work():
    some = recordings(3.0)
    mute = np.where(some.owner[:, None] == 0, 0, some.features)
    assert fold_hits(replace(some, features=mute), 1).mean() > 0.8
    assert fold_hits(some.take(some.labels < 2), 2).mean() > 0.9
    assert choose_cost(some) in COSTS


def test_a_subset_with_one_class_of_the_ten_is_tested_on_all_its_classes_alone():
    some = recordings(3.0)
    some = replace(some, label_names=tuple(name if name == "dog" else f"a {name}" for name in some.label_names))
    assert {r.task for r in evaluate([("raw", Contestant(some))])} == {SVM}


def test_too_few_folds_are_refused():
    with pytest.raises(SplitError, match="2 folds are there"):
        evaluate([("raw", Contestant(recordings(1.0, folds=(1, 2))))])
