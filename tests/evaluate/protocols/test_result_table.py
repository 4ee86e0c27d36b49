"""Tables for a terminal of 80 columns lose nothing; rows and marks are where they belong."""

from rich.console import Console

from evaluate.protocols.result_table import RECOGNITION_TABLE, folds_sheet, layout_sheet, means_sheet
from evaluate.results.results import Result


def printed(sheet):
    console = Console(width=80)
    with console.capture() as capture:
        console.print(sheet.shown())
    return capture.get()


def test_nothing_is_cut_off_at_80_columns():
    results = [
        Result("ucf101", task, None, "joint", model, metric, 0.987, 11_213, 0.98, 1.0)
        for model in ("pretrained", "untrained", "raw")
        for task, metric in RECOGNITION_TABLE.columns
    ]
    folds = [
        Result("esc50", "logistic-esc10", fold, "audio", "pretrained-transductive", "top-1", 0.987, 400, 0.98, 1.0)
        for fold in (None, 1, 2, 3, 4, 5)
    ]
    sheets = means_sheet(results, "ucf101", RECOGNITION_TABLE), folds_sheet(folds, "esc50")
    for sheet, n_values in zip(sheets, (3 * len(RECOGNITION_TABLE.columns), 6), strict=True):
        assert printed(sheet).count("98.7") == n_values
        assert "…" not in printed(sheet)


def test_means_stand_in_the_order_of_interest_with_the_best_of_each_modality_in_bold():
    def result(model, value, split=None, modality="video", task="retrieval", metric="R@1", n=5):
        return Result("t", task, split, modality, model, metric, value, n, value - 0.05, value + 0.05)

    results = [
        result("chance", 0.1), result("raw", 0.9, 1), result("raw", 0.25), result("untrained", 0.3), result("avid", 0.3),
        result("pretrained", 0.5), result("raw", 0.2, modality="audio"), result("raw", 0.4, task="knn", metric="top-1"),
        result("raw", 0.4, task="cross-modal", n=77),
    ]  # fmt: skip
    sheet = means_sheet(results, "t", RECOGNITION_TABLE)
    assert sheet.title == "t: mean over 1 splits, per cent"
    assert sheet.columns == ["modality", "model", "R@1", "kNN", "queries"]
    assert sheet.rows == [
        ["video", "pretrained", "[bold]50.0 (45–55)[/bold]", "-", "5"], ["video", "avid", "30.0 (25–35)", "-", "5"],
        ["video", "untrained", "30.0 (25–35)", "-", "5"], ["video", "raw", "25.0 (20–30)", "[bold]40.0[/bold]", "5"],
        ["video", "chance", "10.0 (5–15)", "-", "5"], ["audio", "raw", "[bold]20.0 (15–25)[/bold]", "-", "5"],
    ]  # fmt: skip
    assert layout_sheet("", results[:1], RECOGNITION_TABLE, counted="videos").grid() == (
        "| modality | model | R@1 | videos |\n|---|---|---:|---:|\n| video | chance | 10.0 (5–15) | 5 |"
    )
