"""Tables, plots and their sources, from records made here; nothing is trained."""

import csv
import json
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest

from benchmark.metrics import evaluate_metrics
from benchmark.records.record import Record
from benchmark.records.store import find_records, read_record, write_record
from benchmark.task import multiclass, multilabel, regression
from leaderboard.build import build_tables
from leaderboard.numbers import human, significant
from leaderboard.plots.draw import plots
from leaderboard.plots.figures import featured
from leaderboard.plots.score_against_cost import cost_points
from leaderboard.plots.styles import fill, make_styles
from leaderboard.render.csv import sources, tidy
from leaderboard.render.latex import escape, latex
from leaderboard.render.markdown import markdown
from leaderboard.report import write_leaderboard
from leaderboard.table import Run, Table
from tests.table_records import (
    CPU,
    SELECTION,
    build,
    cost_record,
    lost_record,
    make_cost,
    make_robustness,
    measured,
    place,
    row_of,
    score_record,
    screen,
)


def test_mean_deviation_and_interval_are_over_seeds_at_full_precision() -> None:
    values = [0.8, 0.7, 0.66]
    table = build(*(score_record(seed=i, metrics={"mae": v}) for i, v in enumerate(values)))
    entry = row_of(table, "tfn").entries["mae"]
    assert entry.mean == pytest.approx(mean(values), abs=1e-15)
    assert entry.deviation == pytest.approx(stdev(values), abs=1e-15)
    assert entry.interval is not None
    reach = 4.302652729911275 * stdev(values) / 3**0.5  # Student, two degrees of freedom
    assert entry.interval.high == pytest.approx(mean(values) + reach)


def test_one_seed_has_neither_deviation_nor_interval() -> None:
    table = build(score_record())
    entry = row_of(table, "tfn").entries["mae"]
    assert entry.deviation is None
    assert entry.interval is None
    assert "0.800 |" in markdown([table], {})
    assert "±0" not in screen(table)


def test_best_and_second_follow_the_direction() -> None:
    table = build(
        *(
            score_record(name, metrics={"mae": value, "corr": value})
            for name, value in (("a", 0.5), ("b", 0.6), ("c", 0.7))
        )
    )
    assert [place(table, name, "mae") for name in "abc"] == ["best", "second", ""]
    assert [place(table, name, "corr") for name in "abc"] == ["", "second", "best"]
    text = markdown([table], {})
    assert "**0.500**" in text
    assert "<u>0.600</u>" in text
    assert "**0.700**" in text
    paper = latex([table])
    assert r"\textbf{0.500}" in paper
    assert r"\underline{0.600}" in paper
    assert [row.label for row in table.rows] == ["a", "b", "c"]


def test_rows_that_print_alike_share_their_place() -> None:
    values = {"a": 0.50001, "b": 0.5, "c": 0.6, "d": 0.7}
    table = build(*(score_record(name, metrics={"mae": v}) for name, v in values.items()))
    assert [place(table, name, "mae") for name in "abcd"] == ["best", "best", "second", ""]


def test_nothing_is_marked_where_all_print_alike() -> None:
    table = build(score_record("a"), score_record("b"))
    assert not any(key == "mae" for _, key in table.marks)


def test_constant_predictors_and_the_oracle_are_not_ranked() -> None:
    table = build(
        score_record("prior", kind="floor", stopped="untrainable", metrics={"acc7": 0.9}),
        score_record("late-fusion", kind="floor", metrics={"acc7": 0.3}, oracle={"acc7": 0.95}),
        score_record("tfn", metrics={"acc7": 0.2}),
    )
    assert place(table, "prior", "acc7") == ""
    assert place(table, "oracle (ceiling)", "acc7") == ""
    assert place(table, "late-fusion", "acc7") == "best"
    assert [row.kind for row in table.rows] == ["floor", "floor", "baseline", "oracle"]
    assert row_of(table, "oracle (ceiling)").entries["acc7"].mean == 0.95


def test_undefined_metrics_are_a_dash_and_not_zero() -> None:
    table = build(
        score_record("a", 0, metrics={"corr": None}),
        score_record("b", 0, metrics={"corr": None}),
        score_record("b", 1, metrics={"corr": 0.5}),
        score_record("c", 0, metrics={"corr": 0.1}),
        score_record("d", 0, metrics={"corr": 0.05}),
    )
    assert "corr" not in row_of(table, "a").entries
    assert row_of(table, "b").entries["corr"].mean == 0.5
    scores = markdown([table], {}).partition("### Robustness")[0]
    lines = {line.split(" ")[1]: line for line in scores.splitlines() if line.startswith("| ")}
    assert "–" in lines["a"]
    assert "0.500 [1]" in lines["b"]
    # A mean over the seeds where the correlation happens to be defined is not ranked.
    assert [place(table, name, "corr") for name in "abcd"] == ["", "", "best", "second"]


def test_lost_seeds_are_shown_and_keep_a_model_from_being_ranked() -> None:
    table = build(
        score_record("a", 0, metrics={"mae": 0.1}),
        lost_record("a", 1, "diverged"),
        lost_record("a", 2, "failed"),
        score_record("b", 0, metrics={"mae": 0.5}),
        score_record("c", 0, metrics={"mae": 0.6}),
        lost_record("d", 0, "failed"),
    )
    assert row_of(table, "a").entries["mae"].values == (0.1,)
    assert row_of(table, "a").runs == "1/3 diverged, 1/3 failed"
    assert row_of(table, "d").runs == "1/1 failed"
    assert [place(table, name, "mae") for name in "abcd"] == ["", "best", "second", ""]
    assert "1/3 diverged, 1/3 failed" in markdown([table], {})
    assert "d & 1/1 failed &" in latex([table])
    lines = list(csv.DictReader(tidy([table]).splitlines()))
    lost = [line for line in lines if line["row"] == "d"]
    assert [(line["metric"], line["failed"]) for line in lost] == [("", "1")]
    assert "d 1/1 failed" in screen(table)


def test_what_must_not_be_compared_never_shares_a_table() -> None:
    records = [
        score_record(),
        score_record(fingerprint="def"),
        score_record(dataset="other"),
        score_record(protocol={"name": "standard", "selection": SELECTION}),
        score_record(protocol={"name": "quick", "selection": SELECTION, "precision": "bf16"}),
    ]
    tables = build_tables([(Path("r.json"), record) for record in records])
    assert len(tables) == 5
    assert len({table.id for table in tables}) == 5


def test_settings_make_rows_of_their_own_and_name_only_what_differs() -> None:
    table = build(
        score_record(settings={"hidden": 8, "dropout": 0.1}),
        score_record(settings={"hidden": 16, "dropout": 0.1}),
        score_record(variant="mmsa", settings={"hidden": 8, "dropout": 0.1}),
        score_record("lmf"),
        score_record("lmf", source="ffffff000000"),
    )
    assert {row.label for row in table.rows} == {
        "tfn (hidden=8)",
        "tfn (hidden=16)",
        "tfn (mmsa)",
        "lmf (source=012345)",
        "lmf (source=ffffff)",
    }


def test_a_cell_of_two_runs_counts_once_and_a_result_wins() -> None:
    lost, done = lost_record("tfn", 0, "failed"), score_record("tfn", 0)
    pairs = [(Path("a.json"), lost), (Path("b.json"), done), (Path("c.json"), done)]
    (table,) = build_tables(pairs)
    assert row_of(table, "tfn").runs == "1"
    assert row_of(table, "tfn").entries["mae"].sources == [Path("b.json")]


def test_costs_join_the_row_of_their_model() -> None:
    table = build(score_record(), cost_record(factor=2.0), score_record("lmf"))
    entries = row_of(table, "tfn").entries
    assert entries["parameters"].mean == 2000
    assert entries["encoder_parameters"].mean == 600
    assert entries["latency_p50"].mean == 1.0
    assert entries["training_seconds"].mean == 1.5
    assert "memory_training" not in entries
    assert "parameters" not in row_of(table, "lmf").entries
    assert f"Measured alone on {CPU}" in markdown([table], {})


def test_costs_of_two_machines_do_not_mix() -> None:
    other = cost_record("tfn", 9.0, hardware="Some GPU, fp32")
    table = build(
        score_record(), score_record("lmf"), cost_record(), cost_record("lmf", 3.0), other
    )
    assert row_of(table, "tfn").entries["latency_p50"].mean == 0.5
    assert table.hardware == CPU
    assert any("Some GPU" in note for note in table.notes)
    lines = [
        line
        for line in csv.DictReader(tidy([table]).splitlines())
        if line["metric"] == "latency_p50" and line["model"] == "tfn"
    ]
    assert {line["hardware"]: float(line["mean"]) for line in lines} == {
        CPU: 0.5,
        "Some GPU, fp32": 4.5,
    }


def test_training_times_of_two_devices_are_neither_ranked_nor_drawn() -> None:
    here = [score_record("a"), score_record("b", 1), cost_record("a"), cost_record("b")]
    alike = build(*here)
    assert place(alike, "a", "training_seconds") == "best"
    assert {point["cost"] for point in cost_points(alike)} >= {"training_seconds"}
    facts = {**here[0].environment, "gpu": "Some GPU"}
    mixed = build(here[0].model_copy(update={"environment": facts}), *here[1:])
    assert place(mixed, "a", "training_seconds") == ""
    assert place(mixed, "a", "latency_p50") == place(alike, "a", "latency_p50")
    assert "training_seconds" not in {point["cost"] for point in cost_points(mixed)}
    assert any("different devices" in note for note in mixed.notes)
    assert row_of(mixed, "a").entries["training_seconds"].mean == 1.5


def test_costs_measured_while_the_machine_was_busy_are_named() -> None:
    def costs(model: str, workload: float, **changes: Any) -> Record:
        record = cost_record(model, **changes)
        cost = make_cost(1.0)
        cost["latency"] |= {"workload_ms": workload, "workload_best_ms": 0.2}
        return measured(record, cost=cost)

    table = build(score_record("a"), score_record("b"), costs("a", 0.21), costs("b", 0.32))
    (note,) = [note for note in table.notes if "slowed the processor" in note]
    assert "while b were timed" in note
    assert "1.6 of its best time" in note
    other = [score_record("a", variant="mmsa"), costs("a", 0.32, variant="mmsa")]
    rows = build(score_record("a"), costs("a", 0.21), *other)
    assert any("while a (mmsa) were timed" in note for note in rows.notes)
    quiet = build(score_record("a"), score_record("b"), costs("a", 0.21), costs("b", 0.24))
    assert not any("slowed" in note for note in quiet.notes)


def test_models_that_are_one_on_this_data_are_named() -> None:
    def records(model: str, last: float) -> list[Record]:
        return [score_record(model, seed, metrics={"mae": last * seed}) for seed in (0, 1)]

    table = build(*records("a", 0.5), *records("b", 0.6), *records("c", 0.5))
    (note,) = [note for note in table.notes if "same scores" in note]
    assert note.startswith("a and c have")
    assert not any("same scores" in n for n in build(*records("a", 0.5), *records("b", 0.6)).notes)


def test_robustness_of_another_suite_is_left_out_and_said() -> None:
    old = measured(score_record("old"), robustness={**make_robustness(0.6), "suite": "0"})
    table = build(old, score_record("a"), score_record("b"))
    assert "mean_skill" not in row_of(table, "old").entries
    assert row_of(table, "old").entries["mae"].mean == 0.8
    assert any("version of the corruptions" in note for note in table.notes)


def test_five_seeds_are_too_few_for_a_mark_and_the_page_says_so() -> None:
    table = build(
        *(score_record("a", i, metrics={"mae": 0.5 + 0.01 * i}) for i in range(5)),
        *(score_record("b", i, metrics={"mae": 0.8 + 0.01 * i}) for i in range(5)),
        # Has no correlation, so that this column ranks fewer models.
        *(score_record("c", i, metrics={"mae": 0.9, "corr": None}) for i in range(5)),
    )
    assert not any(mark.similar for mark in table.marks.values())
    assert table.significance.count("No † is given") == 1
    assert "3 models" in table.significance
    assert "0.12" in table.significance  # two comparisons of 2 / 2**5 each


def test_a_model_like_the_best_is_marked_and_a_worse_one_is_not() -> None:
    noise = np.random.default_rng(0).normal(scale=0.01, size=(2, 10))
    records = []
    for i in range(10):
        records += [
            score_record("a", i, metrics={"mae": 0.5 + noise[0, i]}),
            score_record("b", i, metrics={"mae": 0.501 + noise[1, i]}),
            score_record("c", i, metrics={"mae": 0.7 + noise[1, i]}),
        ]
    table = build(*records)
    best, other = sorted("ab", key=lambda name: row_of(table, name).entries["mae"].mean or 0)
    assert not table.mark(row_of(table, best), "mae").similar
    assert table.mark(row_of(table, other), "mae").similar
    assert not table.mark(row_of(table, "c"), "mae").similar
    assert "†" in markdown([table], {})
    assert r"\textsuperscript{\dag}" in latex([table])


def test_external_predictions_show_accuracy_only() -> None:
    record = score_record("mine", protocol={"name": "external predictions"}, oracle={"mae": 0.2})
    alone = measured(record, robustness=None)
    table = build(alone.model_copy(update={"training": None}))
    assert {column.group for column in table.columns} == {"score"}
    shown = screen(table)
    assert "external predictions" in shown
    assert "mine" in shown
    assert "Robust" not in shown
    assert "Latency" not in shown


def test_the_terminal_table_fits_120_columns() -> None:
    names = ("interactive-attention", "mag-bert", "mult")
    records = [
        score_record(name, i, metrics={"mae": 0.4 + 0.1 * i}, oracle={"mae": 0.1})
        for name in names
        for i in range(2)
    ]
    table = build(*records, *(cost_record(name) for name in names))
    shown = screen(table)
    for header in ("Acc-2", "F1", "Acc-7", "MAE", "Corr", "Robust", "Params", "Latency", "Train"):
        assert header in shown
    assert "81.0/82.0" in shown
    assert "0.450 ±0.071" in shown
    assert "interactive-attention" in shown
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 120


def test_a_narrow_terminal_keeps_labels_whole_and_says_what_it_leaves_out() -> None:
    names = ("interactive-attention", "mag-bert", "mult")
    records = [score_record(name, seed) for name in names for seed in range(2)]
    table = build(*records, *(cost_record(name) for name in names))
    shown = screen(table, 80)
    assert "interactive-attention " in shown
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "Latency, Train: in leaderboard.md, or in a wider window" in " ".join(shown.split())
    assert "in a wider window" not in screen(table, 140)


def test_labels_are_shown_as_they_are() -> None:
    name = "my_[bold]_model|x"
    record = score_record("own").model_copy(update={"display": name})
    (table,) = build_tables([(Path("a"), record)], names="paper")
    assert name in screen(table)
    assert r"my\_\[bold\]\_model\|x" in markdown([table], {})
    assert r"my\_[bold]\_model\textbar{}x" in latex([table])


def test_latex_escapes_what_it_would_read_as_commands() -> None:
    assert escape(r"a_b & 5% #1 $x$ {y} \z ~ ^ <>") == (
        r"a\_b \& 5\% \#1 \$x\$ \{y\} \textbackslash{}z \textasciitilde{} \textasciicircum{} "
        r"\textless{}\textgreater{}"
    )


def test_latex_is_a_whole_environment_with_slash_pairs() -> None:
    table = build(score_record("a"), score_record("b", metrics={"acc2_neg_pos": 0.9}))
    needs, scores, *_ = latex([table]).split("\n\n")
    assert needs.startswith("% Needs \\usepackage{booktabs,graphicx}")
    lines = scores.splitlines()
    body = [line for line in lines if line.startswith(("a &", "b &"))]
    heads = next(line for line in lines if line.startswith("Model &"))
    assert {line.count("&") for line in [heads, *body]} == {heads.count("&")}
    assert all(line.endswith(r" \\") for line in [heads, *body])
    assert r"81.0/\underline{82.0}" in body[0]
    assert r"81.0/\textbf{90.0}" in body[1]
    for name in ("table*", "tabular"):
        begin = sum(line.startswith(rf"\begin{{{name}}}") for line in lines)
        assert begin == sum(line.startswith(rf"\end{{{name}}}") for line in lines) == 1
    assert sum(line.count("{") - line.count("}") for line in lines) == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12, "12"), (999, "999"), (999.6, "1.00k"), (12345, "12.3k"), (1.08e8, "108M")],
)
def test_counts_are_short(value: float, text: str) -> None:
    assert human(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.04083, "0.0408"), (9.996, "10.0"), (123.4, "123"), (1234.0, "1230")],
)
def test_measurements_have_three_digits(value: float, text: str) -> None:
    assert significant(value) == text


def test_pareto_front_keeps_what_nothing_cheaper_matches() -> None:
    scores = {"a": (1.0, 0.6), "b": (2.0, 0.7), "c": (3.0, 0.5), "d": (3.0, 0.55)}
    records = [score_record(name, metrics={"mae": mae}) for name, (_, mae) in scores.items()]
    costs = [cost_record(name, factor) for name, (factor, _) in scores.items()]
    points = [p for p in cost_points(build(*records, *costs)) if p["cost"] == "latency_p50"]
    assert {p["row"]: p["pareto"] for p in points} == {"a": True, "b": False, "c": True, "d": False}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """A leaderboard of three models, two seeds, all evaluations, with predictions."""
    folder = tmp_path_factory.mktemp("results")
    generator = np.random.default_rng(0)
    label = generator.uniform(-3, 3, 60)
    task = regression(-3, 3)
    for number, name in enumerate(("prior", "tfn", "mult")):
        for seed in range(2):
            noise = generator.normal(scale=0.3 * number, size=60)
            prediction = label + noise if number else np.zeros(60)
            record = score_record(
                name,
                seed,
                metrics=evaluate_metrics(task, label=label, prediction=prediction),
                skill=0.2 * number,
                stopped="patience" if number else "untrainable",
                kind="baseline" if number else "floor",
                oracle=evaluate_metrics(task, label=label, prediction=label),
            )
            arrays = {"test_label": label, "test_prediction": prediction}
            write_record(folder, record, arrays)
        kind = "baseline" if number else "floor"
        write_record(folder, cost_record(name, 1.0 + number, kind=kind), {})
    write_record(folder, lost_record("mult", 2, "diverged"), {})
    return folder, write_leaderboard(find_records(folder), folder)


def test_every_file_is_there_and_named(written: tuple[Path, list[Path]]) -> None:
    folder, files = written
    assert [path.name for path in files if path.parent == folder] == [
        "leaderboard.md",
        "leaderboard.csv",
        "comparisons.csv",
        "runs.csv",
        "leaderboard.tex",
        "leaderboard.sources.json",
    ]
    plots = {path.stem.removeprefix("toy-quick-") for path in files if path.suffix == ".png"}
    assert plots == {
        "score-against-cost",
        "robustness-curves",
        "missing-modalities",
        "training-curves",
        "confusion",
    }
    for name in plots:
        for suffix in (".png", ".pdf", ".csv"):
            assert (folder / "plots" / f"toy-quick-{name}{suffix}") in files
    assert all(path.stat().st_size > 0 for path in files)
    assert not list(folder.rglob("*.part"))
    page = (folder / "leaderboard.md").read_text()
    assert "(plots/toy-quick-confusion.png)" in page


def test_every_number_leads_to_records_and_follows_from_them(
    written: tuple[Path, list[Path]],
) -> None:
    folder, _ = written
    known = json.loads((folder / "leaderboard.sources.json").read_text())
    pairs = list(find_records(folder))
    (table,) = build_tables(pairs)
    checked = 0
    with (folder / "leaderboard.csv").open() as stream:
        for line in csv.DictReader(stream):
            valid = line["split"] == "valid"
            name = f"{line['metric']} @ valid" if valid else line["metric"]
            files = known[line["table"]][line["row"]][name]
            runs = [Run(folder / name, read_record(folder / name)) for name in files]
            records = [run.record for run in runs]
            column = table.column(f"valid.{line['metric']}" if valid else line["metric"])
            assert column is not None
            if line["kind"] == "oracle":
                values = [r.metric(column.key, "oracle") for r in records]
            else:
                values = [value for run in runs if (value := column.read(run)) is not None]
                assert {record.cell.model for record in records} == {line["model"]}
            assert len(values) == int(line["n"]) > 0
            assert float(line["mean"]) == float(np.mean(values))
            if len(values) > 1:
                assert float(line["sd"]) == pytest.approx(stdev(values), abs=1e-12)
            else:
                assert line["sd"] == line["low"] == line["high"] == ""
            checked += 1
    cells = sum(len(cells) - 1 for rows in known.values() for cells in rows.values())
    assert checked == cells > 50
    assert len(known["toy-quick"]["mult"]["runs"]) == 3


def test_same_records_same_bytes(written: tuple[Path, list[Path]], tmp_path: Path) -> None:
    folder, files = written
    before = {path: path.read_bytes() for path in files}
    pairs = list(find_records(folder))
    again = write_leaderboard(reversed(pairs), folder)
    assert again == files
    assert {path.name for path in files if path.read_bytes() != before[path]} == set()
    elsewhere = write_leaderboard(pairs, tmp_path / "new")
    names = json.loads((tmp_path / "new" / "leaderboard.sources.json").read_text())
    assert (tmp_path / "new" / names["toy-quick"]["tfn"]["mae"][0]).resolve().is_file()
    assert len(elsewhere) == len(files)


def test_plots_give_the_numbers_they_show(written: tuple[Path, list[Path]]) -> None:
    folder, _ = written

    def lines(name: str) -> list[dict[str, str]]:
        with (folder / "plots" / f"toy-quick-{name}.csv").open() as stream:
            return list(csv.DictReader(stream))

    curves = lines("robustness-curves")
    assert {line["row"] for line in curves} == {"tfn", "mult"}  # a constant has skill 0
    middle = [x for x in curves if (x["row"], x["level"]) == ("mult", "0.5")]
    assert [float(line["skill"]) for line in middle] == pytest.approx([0.2, 0.2])
    training = [x for x in lines("training-curves") if x["row"] == "tfn"]
    assert [(x["epoch"], x["n"], x["runs"]) for x in training] == [
        ("1", "2", "2"),
        ("2", "2", "2"),
        ("3", "1", "2"),
    ]
    confusion = [x for x in lines("confusion") if x["row"] == "tfn"]
    assert sum(int(x["count"]) for x in confusion) == 2 * 60
    assert len(lines("missing-modalities")) == 2 * 7


@pytest.fixture(scope="module")
def crowded() -> Table:
    """Thirty models, the only method of them the worst."""
    names = [f"model-{number:02}" for number in range(29)]
    records = [
        score_record(name, metrics={"mae": 0.5 + 0.01 * number})
        for number, name in enumerate(names)
    ]
    worst = score_record("mine", kind="method", metrics={"mae": 1.5})
    costs = [*map(cost_record, names), cost_record("mine", kind="method")]
    return build(*records, worst, *costs)


def test_a_crowded_plot_draws_the_best_and_every_method(crowded: Table) -> None:
    drawn, note = featured(crowded, [row.label for row in crowded.rows])
    assert drawn == [*(f"model-{number:02}" for number in range(11)), "mine"]
    assert note.startswith("12 of 30 models")
    assert "by MAE" in note
    assert featured(crowded, drawn) == (drawn, "")


def test_every_legend_lies_within_its_picture(crowded: Table) -> None:
    styles = make_styles([crowded])
    for name, plot in plots().items():
        figure, numbers = plot(crowded, styles) or (None, [])
        if figure is None or not figure.legends:
            continue
        figure.draw_without_rendering()
        box = figure.legends[0].get_window_extent()
        page = figure.bbox
        assert box.x0 >= 0, name
        assert box.y0 >= 0, name
        assert box.x1 <= page.x1 + 1, name
        assert box.y1 <= page.y1 + 1, name
        shown = len(figure.legends[0].get_texts())
        assert shown == (30 if name == "score-against-cost" else 12), name
        assert len({line["row"] for line in numbers}) == 30, name


def test_every_style_of_thirty_models_is_told_apart_in_lines_points_and_bars(
    crowded: Table,
) -> None:
    styles = make_styles([crowded]).values()
    assert len({(style.colour, style.dash) for style in styles}) == 30
    assert len({(style.colour, style.marker) for style in styles}) == 30
    assert len({(fill(style)["facecolor"], fill(style)["hatch"]) for style in styles}) == 30


def test_classes_of_a_scale_with_another_neutral_label_are_counted_about_it(
    tmp_path: Path,
) -> None:
    label = np.linspace(1, 5, 40)
    prediction = label + np.sin(np.arange(40))
    task = regression(1, 5)
    metrics = evaluate_metrics(task, label=label, prediction=prediction)
    record = score_record(metrics=metrics).model_copy(update={"task": task.to_dict()})
    write_record(tmp_path, record, {"test_label": label, "test_prediction": prediction})
    write_leaderboard(find_records(tmp_path), tmp_path)
    rows = list(csv.DictReader((tmp_path / "plots" / "toy-quick-confusion.csv").open()))
    agreed = sum(int(row["count"]) for row in rows if row["true"] == row["predicted"])
    assert agreed / 40 == pytest.approx(metrics["acc7"])


def test_exemptions_are_said_below_the_table() -> None:
    record = score_record().model_copy(update={"exempt": {"neighbours": "a graph of the batch"}})
    text = markdown([build(record)], {})
    assert "tfn is exempt from the promise 'neighbours': a graph of the batch." in text


@pytest.mark.parametrize(
    ("task", "selection"),
    [
        (regression(-1, 1), "mae"),
        (multiclass("sad", "glad", "calm"), "f1_weighted"),
        (multilabel("sad", "glad"), "f1_macro"),
    ],
)
def test_other_conventions(task: Any, selection: str) -> None:
    generator = np.random.default_rng(1)
    if task.kind == "multilabel":
        label: Any = generator.integers(0, 2, (30, 2))
    elif task.kind == "multiclass":
        label = generator.integers(0, 3, 30)
    else:
        label = generator.uniform(-1, 1, 30)
    shape = (30,) if task.outputs == 1 else (30, task.outputs)
    records = []
    for name in "ab":
        metrics = evaluate_metrics(task, label=label, prediction=generator.normal(size=shape))
        accuracy = {"valid": metrics, "test": metrics}
        record = measured(score_record(name), accuracy=accuracy, robustness=None)
        records.append(record.model_copy(update={"task": task.to_dict()}))
    table = build(*records)
    assert table.convention == (task.convention if task.kind == "regression" else task.kind)
    assert table.selection == selection
    assert set(metrics) <= {column.key for column in table.columns}
    text = markdown([table], {})
    assert "**" in text
    assert "a" in screen(table)
    assert latex([table]).count(r"\toprule") == 1


def test_no_records_make_an_empty_page(tmp_path: Path) -> None:
    assert build_tables([]) == []
    files = write_leaderboard([], tmp_path / "out")
    assert "no records" in files[0].read_text()
    assert json.loads(sources([], tmp_path)) == {}
