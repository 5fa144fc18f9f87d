"""A plot, a metric, a column: each is added in one place and reaches everything that is printed."""

import sys
from pathlib import Path

import pytest

import leaderboard.plots as package
from benchmark.metrics import METRICS, Metric, mae
from leaderboard import columns
from leaderboard.plots import draw
from leaderboard.plots.draw import plots, write_plots
from leaderboard.render.csv import tidy
from leaderboard.render.latex import latex
from leaderboard.render.markdown import markdown
from leaderboard.table import Column, Table
from tests.table_records import build, cost_record, score_record, screen

PLOT = '''"""Rows as dots."""
from leaderboard.plots.draw import plot
from leaderboard.plots.figures import new_canvas


@plot("dots", place=0)
def dots(table, styles):
    """A dot a row."""
    figure = new_canvas(2, 2)
    figure.subplots().plot(range(len(table.rows)), "o")
    return figure, [{"row": row.label} for row in table.rows]
'''


def test_the_plots_are_found_in_their_order() -> None:
    assert list(plots()) == [
        "score-against-cost",
        "robustness-curves",
        "missing-modalities",
        "training-curves",
        "confusion",
    ]


def test_a_plot_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plots()
    (tmp_path / "dots.py").write_text(PLOT)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    monkeypatch.setattr(draw, "_FOUND", dict(draw._FOUND))
    try:
        assert next(iter(plots())) == "dots"
        files = write_plots([build(score_record())], tmp_path / "out")["toy-quick"]
        assert [path.name for path in files[:3]] == [
            "toy-quick-dots.png",
            "toy-quick-dots.pdf",
            "toy-quick-dots.csv",
        ]
    finally:
        sys.modules.pop("leaderboard.plots.dots", None)


def test_two_plots_cannot_have_one_name() -> None:
    with pytest.raises(ValueError, match="two plots want the name 'confusion'"):
        draw.plot("confusion", place=9)(lambda table, styles: None)


def everywhere(table: Table) -> dict[str, str]:
    return {
        "terminal": screen(table, 300),
        "page": markdown([table], {}),
        "paper": latex([table]),
        "csv": tidy([table]),
    }


def test_a_metric_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = {"function": mae, "convention": "mosi", "description": "Made up."}
    printed = Metric(name="skew", key="skew", symbol="Skew", place=9, terminal=True, **shared)
    hidden = Metric(name="tilt", key="tilt", symbol="Tilt", **shared)
    for metric in (printed, hidden):
        monkeypatch.setitem(METRICS, metric.name, metric)
    table = build(score_record(metrics={"skew": 0.25, "tilt": 0.75}))
    shown = everywhere(table)
    assert all("Skew" in shown[place] for place in ("terminal", "page", "paper"))
    assert not any("Tilt" in text for text in shown.values())
    assert ",skew,test," in shown["csv"]
    assert ",tilt,test," in shown["csv"]
    head = next(line for line in shown["page"].splitlines() if line.startswith("| Model"))
    assert head.index("Corr") < head.index("Skew")


def test_metrics_of_a_pair_share_a_column_where_room_is_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared = {"function": mae, "convention": "mosi", "description": "Made up.", "pair": "Skew"}
    for place, (key, terminal) in enumerate((("skew_a", True), ("skew_b", False)), 9):
        metric = Metric(
            key, key, symbol=f"Skew ({key[-1]})", place=place, terminal=terminal, **shared
        )
        monkeypatch.setitem(METRICS, key, metric)
    shown = everywhere(build(score_record(metrics={"skew_a": 0.25, "skew_b": 0.75})))
    assert "25.0/75.0" in shown["terminal"]
    assert "25.0/75.0" in shown["paper"]
    assert "25.0/75.0" not in shown["page"]
    assert "Skew (b)" in shown["page"]


def test_the_places_of_metrics_are_each_taken_once() -> None:
    for convention in {metric.convention for metric in METRICS.values()}:
        own = [m for m in METRICS.values() if m.convention == convention and m.place]
        assert sorted(metric.place for metric in own) == list(range(1, len(own) + 1))
        assert all(metric.standard for metric in own)
        for pair in {metric.pair for metric in own} - {""}:
            members = [metric for metric in own if metric.pair == pair]
            assert len(members) == 2
            assert [m.terminal for m in sorted(members, key=lambda m: m.place)] == [True, False]


def test_a_column_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    size = Column(
        key="size",
        header="Size",
        group="cost",
        unit="MiB",
        higher_is_better=False,
        read=lambda run: 3.0 if run.record.cell.timed else None,
        places=("page", "terminal", "paper"),
        timed=True,
    )
    monkeypatch.setattr(columns, "_MEASURED", [*columns._MEASURED, size])
    shown = everywhere(build(score_record(), cost_record()))
    assert all("Size" in shown[place] for place in ("terminal", "page", "paper"))
    assert ",cost,size,,MiB,False,Some CPU" in shown["csv"].replace('"', "")
