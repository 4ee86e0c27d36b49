import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.svm import LinearSVC

from evaluate.protocols.linear_probe import C_GRID, fit_probe, group_folds
from evaluate.protocols.video_features import l2_normalise


def clouds(rng, n_classes, per_class, dim, spread, n_groups=10):
    """Normalised features around class means, recordings of a group pulled together."""
    labels = np.repeat(np.arange(n_classes), per_class)
    groups = np.tile(np.arange(n_groups), len(labels) // n_groups + 1)[: len(labels)]
    means = rng.normal(size=(n_classes, dim))
    group_means = rng.normal(size=(n_classes, n_groups, dim))
    features = means[labels] + spread * (group_means[labels, groups] + rng.normal(size=(len(labels), dim)))
    return l2_normalise(np.abs(features)), labels, [(int(c), int(g)) for c, g in zip(labels, groups, strict=True)]


@pytest.mark.parametrize(("n_classes", "dim"), [(2, 20), (8, 40), (5, 700)])
@pytest.mark.parametrize("c", C_GRID)
def test_agrees_with_plain_logistic_regression_at_the_same_c(n_classes, dim, c):
    features, labels, groups = clouds(np.random.default_rng(dim), n_classes, 110, dim, 1.2)
    test = np.arange(len(labels)) % 3 == 0
    train = ~test
    probe = fit_probe(features[train], labels[train], [g for g, t in zip(groups, train, strict=True) if t], grid=(c,))
    centred = features.astype(np.float64) - features[train].mean(axis=0)
    scaled = centred / np.sqrt((centred[train] ** 2).sum() / train.sum())
    plain = LogisticRegression(C=c, tol=1e-7, max_iter=20_000).fit(scaled[train], labels[train])
    predicted = plain.predict(scaled[test])
    accuracy = (probe.predict(features[test]) == labels[test]).mean()
    assert accuracy == pytest.approx((predicted == labels[test]).mean(), abs=0.005)
    assert (probe.predict(features[test]) == predicted).mean() > 0.99
    assert probe.c == c


@pytest.mark.parametrize("kind", ["logistic", "svm"])
def test_swept_as_a_whole_it_is_within_half_a_point_of_scikit_learn(kind):
    """Its own cross-validated search over the same features, folds by group and a grid of as many powers of ten."""
    rng = np.random.default_rng(11)
    means = 2.8 * rng.normal(size=(6, 24)) / np.sqrt(12)
    labels = np.arange(4_600) % 6
    features = l2_normalise(4 + means[labels] + rng.normal(size=(4_600, 24)))
    train, test, groups = np.arange(1_000), np.arange(1_000, 4_600), np.arange(1_000) // 12
    square = ((features[train] - features[train].mean(axis=0)) ** 2).sum(axis=1).mean()
    model = LogisticRegression(max_iter=2_000) if kind == "logistic" else LinearSVC(random_state=0, dual=False)
    # C counts squared lengths: the probe scales features by itself, scikit-learn takes them as they are.
    grid = {"C": np.array(C_GRID) / square / (1 if kind == "logistic" else 10)}
    search = GridSearchCV(model, grid, cv=StratifiedGroupKFold(3)).fit(features[train], labels[train], groups=groups)
    wanted = search.score(features[test], labels[test])
    probe = fit_probe(features[train], labels[train], groups.tolist())
    assert 0.6 < wanted < 0.999
    assert np.mean(probe.predict(features[test]) == labels[test]) == pytest.approx(wanted, abs=0.005)


def test_folds_keep_groups_whole_and_cover_every_row_once():
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(5), 40)
    groups = [(int(label), int(g)) for label, g in zip(labels, rng.integers(0, 9, 200), strict=True)]
    held_out = []
    for train, test in group_folds(labels, groups, 3):
        assert not {groups[row] for row in train} & {groups[row] for row in test}
        assert set(labels[train]) == set(range(5))
        held_out += test.tolist()
    assert sorted(held_out) == list(range(200))


def test_group_folds_choose_what_generalises_over_groups():
    """Features that give the recording away: folds that cut groups find any C perfect, folds that keep them do not."""
    rng = np.random.default_rng(2)
    labels = np.repeat(np.arange(4), 60)
    recording = np.arange(240) // 6
    features = l2_normalise(rng.normal(size=(40, 200))[recording] + 0.05 * rng.normal(size=(240, 200)))
    apart = fit_probe(features, labels, recording.tolist())
    cut = fit_probe(features, labels, list(range(240)))
    assert max(cut.fold_accuracy.values()) > 0.95
    assert max(apart.fold_accuracy.values()) < 0.5


def test_one_group_cannot_be_swept_and_says_so(caplog):
    eye = np.eye(2, dtype=np.float32)[np.arange(20) % 2]
    probe = fit_probe(eye, np.arange(20) % 2, ["same"] * 20)
    assert probe.fold_accuracy == {}
    assert "not swept" in caplog.text
    assert (probe.predict(eye) == np.arange(20) % 2).all()


def test_identical_features_do_not_break_the_probe():
    probe = fit_probe(np.full((30, 50), 0.1, np.float32), np.arange(30) % 3, list(range(30)))
    assert len(set(probe.predict(np.full((9, 50), 0.1)))) == 1


def test_best_c_is_the_smallest_of_equally_good_ones():
    eye = np.eye(3, dtype=np.float32)[np.arange(90) % 3]
    probe = fit_probe(eye, np.arange(90) % 3, list(range(90)), grid=(100.0, 10.0, 1000.0))
    assert probe.fold_accuracy == {10.0: 1.0, 100.0: 1.0, 1000.0: 1.0}
    assert probe.c == 10.0


@pytest.mark.parametrize("per_class", [1, 2, 4])
def test_few_videos_a_class_are_enough(per_class):
    eye = np.repeat(np.eye(5, dtype=np.float32), per_class, axis=0)
    labels = np.repeat([7, 40, 41, 90, 99], per_class)  # labels need not count from zero
    assert (fit_probe(eye, labels, list(range(len(labels)))).predict(eye) == labels).all()
