"""Tables for a terminal of 80 columns lose nothing."""

from rich.console import Console

from evaluate.protocols.result_table import RECOGNITION_TABLE, folds_table, results_table
from evaluate.results.results import Result


def printed(table):
    console = Console(width=80)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_every_number_of_a_recognition_test_is_there_at_80_columns():
    results = [
        Result("ucf101", task, None, "joint", model, metric, 0.987, 11_213, 0.98, 1.0)
        for model in ("pretrained", "untrained", "raw")
        for task, metric in RECOGNITION_TABLE.columns
    ]
    text = printed(results_table(results, "ucf101", RECOGNITION_TABLE))
    assert text.count("11,213") == 3
    assert text.count("98.7") == 3 * len(RECOGNITION_TABLE.columns)
    assert text.count("(98–100)") == 3 * len(RECOGNITION_TABLE.with_interval)
    assert "…" not in text


def test_every_fold_is_there_at_80_columns():
    results = [
        Result("esc50", "logistic-esc10", fold, "audio", "pretrained-transductive", "top-1", 0.987, 400, 0.98, 1.0)
        for fold in (None, 1, 2, 3, 4, 5)
    ]
    text = printed(folds_table(results, "esc50"))
    assert text.count("98.7") == 6
    assert "…" not in text
