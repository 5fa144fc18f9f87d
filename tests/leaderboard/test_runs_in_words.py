"""Words for how many runs there are: folds and seeds are never taken for one another."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.records.record import Record
from leaderboard.names import Extent
from leaderboard.render.csv import sources, tidy
from leaderboard.render.latex import latex
from leaderboard.render.markdown import markdown
from leaderboard.table import Table
from tests.table_records import build, lost_record, make_cell, row_of, score_record, screen

FOLDS = 5


def records(name: str, seeds: int, **changes: Any) -> list[Record]:
    """As `--seeds` makes them: seed s on fold s, and again from the first fold on."""
    return [
        score_record(
            name,
            seed,
            dataset="mosi_clean752@folds",
            fold=seed % FOLDS,
            metrics={"mae": 0.5 + 0.01 * seed},
            **changes,
        )
        for seed in range(seeds)
    ]


def table_of(**seeds: int) -> Table:
    return build(*(record for name, count in seeds.items() for record in records(name, count)))


def line_of(table: Table, label: str = "tfn") -> dict[str, str]:
    lines = csv.DictReader(tidy([table]).splitlines())
    return next(line for line in lines if line["row"] == label and line["metric"] == "mae")


def everything(table: Table) -> str:
    return screen(table, 200) + markdown([table], {}) + latex([table])


@pytest.mark.parametrize(
    ("folds", "text", "unit"),
    [
        ([], "0 seeds", "seed"),
        ([None], "1 seed", "seed"),
        ([None] * 5, "5 seeds", "seed"),
        ([0], "1 fold", "fold"),
        ([0, 1, 2], "3 folds", "fold"),
        ([0, 1, 2, 0, 1, 2], "3 folds × 2 seeds", "run"),
        ([4, 4], "1 fold × 2 seeds", "run"),
        ([0, 1, 2, 0], "4 runs on 3 folds", "run"),
    ],
)
def test_words_for_runs(folds: list[int | None], text: str, unit: str) -> None:
    extent = Extent.of(folds)
    assert (str(extent), extent.unit) == (text, unit)


def test_without_folds_runs_are_seeds() -> None:
    table = build(*(score_record("tfn", seed) for seed in range(3)), score_record("lmf"))
    assert (table.folds, table.unit, table.extent) == (0, "seed", "1 to 3 seeds")
    text = everything(table)
    assert "| Seeds" in text
    assert "1 to 3 seeds a model" in text
    assert "standard deviation over 1 to 3 seeds" in text
    assert "fold" not in text
    line = line_of(table)
    assert (line["runs"], line["folds"], line["seeds"], line["n"]) == ("3", "", "3", "3")


@pytest.mark.parametrize("named", [True, False])
def test_as_many_seeds_as_folds_are_folds_with_a_seed_each(named: bool) -> None:
    found = [record for name in ("tfn", "lmf") for record in records(name, FOLDS)]
    if not named:  # records from before cells named their fold
        found = [
            record.model_copy(update={"cell": record.cell.model_copy(update={"fold": None})})
            for record in found
        ]
    table = build(*found)
    assert (table.folds, table.unit, table.extent) == (5, "fold", "5 folds")
    assert table.title == "mosi_clean752, cross-validation over 5 folds, protocol quick"
    shown, page, paper = screen(table, 200), markdown([table], {}), latex([table])
    assert shown.splitlines()[0].strip() == table.title
    assert "over folds" in shown
    assert "| Folds" in page
    assert "5 folds a model" in page
    assert "Mean ± standard deviation over folds" in page
    assert "in every fold" in page
    assert r"mosi\_clean752, cross-validation over 5 folds (protocol quick)" in paper
    assert r"Mean $\pm$ standard deviation over 5 folds" in paper
    assert "Model & Folds &" in paper
    assert "seed" not in shown + page + paper
    line = line_of(table)
    assert (line["runs"], line["folds"], line["seeds"]) == ("5", "5", "1")
    assert {one.unit for one in table.comparisons} == {"fold"}


def test_more_seeds_than_folds_are_seeds_of_each_fold() -> None:
    table = table_of(tfn=10, lmf=10)
    assert (table.folds, table.unit, table.extent) == (5, "run", "5 folds × 2 seeds")
    assert row_of(table, "tfn").runs == "5 folds × 2 seeds"
    shown, page, paper = screen(table, 200), markdown([table], {}), latex([table])
    assert "cross-validation over 5 folds, protocol quick, 5 folds × 2 seeds" in shown
    assert "mean ± standard deviation over runs" in shown
    assert "5 folds × 2 seeds a model" in page
    assert "Mean ± standard deviation over runs" in page
    assert "models with runs that have no result" in page
    assert "have the same scores in every run" in page
    assert "| Runs" in page
    assert r"Mean $\pm$ standard deviation over 5 folds $\times$ 2 seeds" in paper
    assert "Model & Runs &" in paper
    line = line_of(table)
    assert (line["runs"], line["folds"], line["seeds"], line["n"]) == ("10", "5", "2", "10")
    # What two rows have in common are seeds, each on its fold.
    assert {(one.unit, one.count) for one in table.comparisons} == {("seed", 10)}


def test_folds_with_other_numbers_of_seeds_are_told_as_runs() -> None:
    table = table_of(tfn=7)
    assert (table.unit, table.extent) == ("run", "7 runs on 5 folds")
    line = line_of(table)
    assert (line["runs"], line["folds"], line["seeds"]) == ("7", "5", "2")
    assert table_of(tfn=5, lmf=10).extent == "5 to 10 runs"


def test_fewer_seeds_than_folds_are_so_many_folds() -> None:
    table = table_of(tfn=3, lmf=5)
    assert (table.folds, table.unit, table.extent) == (5, "fold", "3 to 5 folds")
    assert "cross-validation over 5 folds, protocol quick, 3 to 5 folds" in screen(table, 200)
    line = line_of(table)
    assert (line["runs"], line["folds"], line["seeds"]) == ("3", "3", "1")
    assert {one.count for one in table.comparisons} == {3}


def test_one_fold_is_no_cross_validation_over_it() -> None:
    table = table_of(tfn=1, lmf=1)
    assert table.title == "mosi_clean752, one fold of a cross-validation, protocol quick"
    text = everything(table)
    assert "over 1 fold" not in text
    assert "1 fold a model" in text
    assert "One fold a model" in text
    assert "A single fold" in text
    assert "seed" not in text
    several = build(
        *(
            score_record(name, seed, dataset="x@folds", fold=2, metrics={"mae": 0.1 * seed})
            for name in ("tfn", "lmf")
            for seed in (2, 7)
        )
    )
    assert several.extent == "1 fold × 2 seeds"
    assert "one fold of a cross-validation, protocol quick, 1 fold × 2 seeds" in screen(
        several, 200
    )


def test_runs_without_a_result_are_counted_among_the_runs() -> None:
    cell = make_cell("tfn", 9, dataset="mosi_clean752@folds", fold=4)
    lost = lost_record("tfn", 9, "failed").model_copy(update={"cell": cell})
    table = build(*records("tfn", 9), lost)
    assert row_of(table, "tfn").runs == "1/10 failed"
    assert table.extent == "5 folds × 2 seeds"
    assert "tfn 1/10 failed" in screen(table, 200)


def test_sources_list_the_runs_of_a_row() -> None:
    known = json.loads(sources([table_of(tfn=10)], Path()))
    (row,) = [rows["tfn"] for rows in known.values()]
    assert len(row["runs"]) == 10
    assert "seeds" not in row
