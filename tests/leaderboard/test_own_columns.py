"""Columns of a user's evaluation reach every table from the records alone."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.config import PROTOCOLS
from benchmark.records.measurements import Column
from benchmark.records.record import Record
from benchmark.records.store import find_records
from benchmark.running.run import run
from leaderboard.build import build_tables
from leaderboard.render.csv import sources, tidy
from leaderboard.render.latex import latex
from leaderboard.render.markdown import markdown
from leaderboard.report import write_leaderboard
from leaderboard.runs import to_frame, to_rows
from leaderboard.table import Table
from tests.table_records import build, cost_record, measured, row_of, score_record, screen

ECE = Column(key="test.ece", header="ECE", higher_is_better=False, percent=True, decimals=2)
NLL = Column(key="valid.nll", header="NLL", higher_is_better=False, split="valid", printed=False)
START = Column(key="ms", header="Start", higher_is_better=False, unit="ms", decimals=None, split="")


def own(record: Record, ece: float | None, **changes: Any) -> Record:
    values = {"test": {"ece": ece}, "valid": {"nll": 1.5}, **changes}
    columns = (ECE, NLL)
    return measured(record, extra={"calibration": {"values": values, "columns": columns}})


@pytest.fixture(scope="module")
def table() -> Table:
    records = [own(score_record("a", seed), 0.1 + 0.02 * seed) for seed in range(2)]
    records += [own(score_record("b", seed), 0.3) for seed in range(2)]
    start = {"extra": {"start": {"values": {"ms": 12.0}, "columns": (START,)}}}
    return build(*records, measured(cost_record("a"), **start))


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_the_page_and_the_terminal_print_them(table: Table) -> None:
    page = markdown([table], {})
    section = page.partition("### Calibration")[2].partition("###")[0]
    assert "ECE % ↓ |" in section
    assert "**11.00 ± 1.41**" in section
    assert "NLL" not in page
    assert "### Start" in page
    assert "Measured alone on Some CPU" in page.partition("### Start")[2].partition("###")[0]
    shown = screen(table, 200)
    head = next(line for line in shown.splitlines() if "ECE" in line)
    assert head.index("Robust") < head.index("ECE") < head.index("Start") < head.index("Params")
    assert "11.00" in shown
    assert "12.0" in shown


def test_a_paper_has_a_table_for_each_evaluation(table: Table) -> None:
    paper = latex([table])
    assert r"\caption{Calibration on toy (protocol quick). Mean $\pm$ standard deviation" in paper
    assert r"\label{tab:toy-quick-calibration}" in paper
    assert r"Model & ECE (\%) $\downarrow$ \\" in paper
    assert r"a & \textbf{11.00}{\scriptsize$\pm$1.41} \\" in paper
    assert r"\label{tab:toy-quick-start}" in paper


def test_every_csv_has_them_with_group_split_and_hardware(table: Table) -> None:
    found = {(x["row"], x["metric"]): x for x in lines(tidy([table])) if x["group"] != "score"}
    ece = found["a", "calibration.test.ece"]
    assert (ece["group"], ece["split"], ece["unit"]) == ("calibration", "test", "share")
    assert (ece["n"], ece["higher_is_better"]) == ("2", "False")
    assert float(ece["mean"]) == pytest.approx(0.11, abs=1e-15)
    assert found["b", "calibration.valid.nll"]["split"] == "valid"
    start = found["a", "start.ms"]
    assert (start["hardware"], start["split"], start["mean"]) == (table.hardware, "", "12.0")
    known = json.loads(sources([table], Path()))["toy-quick"]["a"]
    assert len(known["calibration.test.ece"]) == 2
    assert known["calibration.valid.nll @ valid"] == known["calibration.test.ece"]
    assert len(known["start.ms"]) == 1


def test_they_are_ranked_in_their_direction(table: Table) -> None:
    assert table.mark(row_of(table, "a"), "calibration.test.ece").place == "best"
    assert table.mark(row_of(table, "b"), "calibration.test.ece").place == "second"


def test_undefined_numbers_are_a_dash_in_tables_and_a_line_without_value_in_runs() -> None:
    records = [own(score_record("a"), None), score_record("b"), own(score_record("c"), 0.2)]
    table = build(*records)
    assert "calibration.test.ece" not in row_of(table, "a").entries
    rows = to_rows([(Path(f"{r.cell.model}.json"), r) for r in records])
    values = {r["model"]: r["value"] for r in rows if r["metric"] == "calibration.test.ece"}
    assert values == {"a": None, "c": 0.2}


def test_a_plan_with_nothing_but_a_timed_evaluation_has_its_hardware() -> None:
    start = {"extra": {"start": {"values": {"ms": 12.0}, "columns": (START,)}}, "cost": None}
    table = build(score_record("a"), measured(cost_record("a"), **start))
    assert row_of(table, "a").entries["start.ms"].mean == 12.0
    assert table.hardware


PLUGIN = """
from benchmark import Column, register_evaluation

WIDTH = Column(key="width", header="Width", higher_is_better=False)

@register_evaluation("spread", columns=[WIDTH])
def spread(context):
    '''How far predictions reach.'''
    return {"width": float(context.prediction.max() - context.prediction.min())}
"""


@pytest.mark.usefixtures("own_registry")
def test_from_a_plugin_to_the_tables_without_it(tmp_path: Path) -> None:
    (tmp_path / "spread.py").write_text(PLUGIN)
    rules = PROTOCOLS["quick"].model_copy(update={"evaluations": ("accuracy", "spread")})
    outcome = run(
        models=["prior"],
        seeds=1,
        protocol=rules,
        plugins=[tmp_path / "spread.py"],
        folder=tmp_path / "out",
        jobs=0,
        tables=False,
    )
    assert outcome.problems == []
    pairs = list(find_records(tmp_path / "out"))
    (table,) = build_tables(pairs)
    assert table.column("spread.width") is not None
    assert row_of(table, "prior").entries["spread.width"].mean == 0
    frame = to_frame(tmp_path / "out")
    assert frame[frame.metric == "spread.width"].value.tolist() == [0.0]
    files = write_leaderboard(pairs, tmp_path / "out")
    assert "### Spread" in files[0].read_text()
