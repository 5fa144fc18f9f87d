"""What tables say about their rows: settings, recipes, versions, folds, names."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.records.harness import harness_version
from benchmark.records.record import Failure, Record
from benchmark.records.store import write_record
from benchmark.registry import list_models
from benchmark.task import regression
from leaderboard.build import build_tables
from leaderboard.render.csv import sources, tidy
from leaderboard.render.latex import latex
from leaderboard.render.markdown import markdown
from leaderboard.report import write_leaderboard
from leaderboard.runs import FIELDS, to_frame, to_rows
from tests.table_records import (
    build,
    cost_record,
    lost_record,
    measured,
    row_of,
    score_record,
    screen,
)

ENCODERS = ("MiniLM-L6#c47f4488194d", "MiniLM-L6#0123456789ab")


def changed(record: Record, **settings: Any) -> Record:
    return record.model_copy(update={"changed": settings})


def labels(*records: Record) -> set[str]:
    return {row.label for row in build(*records).rows}


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_a_row_says_its_changed_settings_in_every_format() -> None:
    record = changed(score_record(config={"lr": 1e-5}), lr=1e-5)
    table = build(record, score_record("lmf"))
    assert {row.label for row in table.rows} == {"tfn (lr=1e-05)", "lmf"}
    assert "tfn (lr=1e-05)" in screen(table, 160)
    assert "| tfn (lr=1e-05) " in markdown([table], {})
    assert "tfn (lr=1e-05) &" in latex([table])
    assert {line["row"] for line in lines(tidy([table]))} == {"tfn (lr=1e-05)", "lmf"}
    assert "tfn (lr=1e-05)" in json.loads(sources([table], Path()))["toy-quick"]


def test_changed_settings_come_before_those_that_tell_rows_apart() -> None:
    found = labels(
        changed(score_record(settings={"dropout": 0.1}, config={"lr": 0.5}), lr=0.5),
        changed(
            score_record(settings={"dropout": 0.30000000000000004}, config={"lr": 0.5}), lr=0.5
        ),
    )
    assert found == {"tfn (lr=0.5, dropout=0.1)", "tfn (lr=0.5, dropout=0.30000000000000004)"}


def test_a_variant_set_by_hand_is_said_once() -> None:
    mmsa = changed(score_record(variant="mmsa", settings={"variant": "mmsa"}), variant="mmsa")
    paper = changed(score_record("lmf"), variant="paper")
    assert labels(mmsa, paper) == {"tfn (mmsa)", "lmf (variant=paper)"}


def test_text_encoders_are_named_without_hash_where_that_is_clear() -> None:
    def record(model: str, encoder: str) -> Record:
        return changed(
            score_record(model, settings={"text_encoder": encoder}), text_encoder=encoder
        )

    one = labels(record("a", ENCODERS[0]), record("b", ENCODERS[0]))
    assert one == {"a (text_encoder=MiniLM-L6)", "b (text_encoder=MiniLM-L6)"}
    two = labels(record("a", ENCODERS[0]), record("b", ENCODERS[1]))
    assert two == {f"a (text_encoder={ENCODERS[0]})", f"b (text_encoder={ENCODERS[1]})"}


def test_equal_cells_are_one_row_whatever_was_the_default_when_they_ran() -> None:
    table = build(changed(score_record(seed=0), hidden=8), score_record(seed=1), cost_record())
    (row,) = table.rows
    assert (row.label, row.runs) == ("tfn (hidden=8)", "2")
    assert "latency_p50" in row.entries


def test_rows_of_different_cells_never_share_a_label() -> None:
    found = labels(
        score_record("a (b=1)", checked=False),
        changed(score_record("a", config={"b": 1}), b=1),
        score_record("x"),
    )
    assert len(found) == 3


def test_the_page_says_where_settings_come_from() -> None:
    recipes = {"tfn": "published: Table 5", "lmf": "chosen on validation: 24 trials", "mfn": ""}
    recipes |= {"mult": "untuned default", "misa": "published: Table 5"}
    records = [
        score_record(name).model_copy(update={"recipe": recipe}) for name, recipe in recipes.items()
    ]
    by_hand = changed(score_record("mmim").model_copy(update={"recipe": "published: x"}), lr=0.1)
    table = build(*records, by_hand)
    text = markdown([table], {})
    head = next(line for line in text.splitlines() if line.startswith("| Model"))
    place = [cell.strip() for cell in head.split("|")].index("Settings")
    words = {
        cells[1].strip(): cells[place].strip()
        for line in text.partition("### Robustness")[0].splitlines()
        if len(cells := line.split("|")) > place
    }
    assert words["tfn"] == words["misa"] == "published"
    assert words["lmf"] == "chosen on validation"
    assert words["mult"] == "untuned default"
    assert words["mfn"] == "–"
    assert words["mmim (lr=0.1)"] == "set by hand"
    assert "Published: Table 5 (misa, tfn)." in text
    assert "Chosen on validation: 24 trials (lmf)." in text
    kept = {line["model"]: line["recipe"] for line in lines(tidy([table]))}
    assert kept["tfn"] == "published: Table 5"
    assert kept["mmim"] == "set by hand"
    paper = latex([table])
    assert r"mult\textsuperscript{u} &" in paper
    assert "settings not tuned" in paper
    assert "Settings" not in markdown([build(score_record())], {})


def test_a_text_encoder_alone_leaves_the_settings_as_registered() -> None:
    record = changed(score_record(), text_encoder=ENCODERS[0])
    table = build(record.model_copy(update={"recipe": "published: x"}))
    assert table.rows[0].recipe == "published: x"


def test_records_of_another_harness_have_a_table_of_their_own() -> None:
    pairs = [
        (Path(f"{number}.json"), score_record(metrics={"mae": 0.1 * number}, harness=version))
        for number, version in enumerate(("2.ab12cd", "", harness_version()))
    ]
    now, *before = build_tables(pairs)
    assert (now.id, now.title, now.current) == ("toy-quick", "toy, protocol quick", True)
    assert now.harness == harness_version()
    assert {(table.id, table.title) for table in before} == {
        ("toy-quick-harness-2.ab12cd", "toy, protocol quick, as of harness 2.ab12cd"),
        ("toy-quick-harness-earlier", "toy, protocol quick, as of an earlier harness"),
    }
    assert not any(table.current for table in before)
    assert [len(table.rows[0].records) for table in (now, *before)] == [1, 1, 1]
    assert row_of(now, "tfn").entries["mae"].mean == pytest.approx(0.2)
    assert {line["harness"] for line in lines(tidy([now]))} == {harness_version()}
    again = build_tables(pairs, harness="2.ab12cd")
    assert [table.id for table in again if table.current] == ["toy-quick"]


def test_the_csv_has_validation_and_test_scores() -> None:
    record = measured(score_record(), accuracy={"valid": {"mae": 0.5}, "test": {"mae": 0.7}})
    table = build(record, cost_record())
    found = lines(tidy([table]))
    scores = {line["split"]: line["mean"] for line in found if line["metric"] == "mae"}
    assert scores == {"valid": "0.5", "test": "0.7"}
    assert {line["split"] for line in found if line["group"] == "robustness"} == {"test"}
    assert {line["split"] for line in found if line["group"] == "cost"} == {""}
    known = json.loads(sources([table], Path()))["toy-quick"]["tfn"]
    assert known["mae"] == known["mae @ valid"]
    assert "0.500" not in markdown([table], {}).partition("### Robustness")[0]


def test_runs_are_one_line_a_number(tmp_path: Path) -> None:
    accuracy = {"valid": {"mae": 1 / 3, "corr": None}, "test": {"mae": 2 / 3}}
    one = changed(score_record(seed=3, fold=2), lr=0.1).model_copy(
        update={"recipe": "published: x"}
    )
    one = measured(one, accuracy=accuracy)
    records = [one, lost_record("mult", 1, "diverged"), cost_record()]
    rows = to_rows([(Path(f"{r.cell.key}.json"), r) for r in (*records, one)])
    assert {tuple(row) for row in rows} == {FIELDS}
    scores = {(r["split"], r["metric"]): r["value"] for r in rows if r["group"] == "score"}
    expected = {("valid", "mae"): 1 / 3, ("valid", "corr"): None, ("test", "mae"): 2 / 3}
    assert scores == expected
    first = next(row for row in rows if row["group"] == "score")
    assert (first["seed"], first["fold"], first["status"]) == (3, 2, "done")
    assert (first["settings"], first["changed"]) == ("lr=0.1", '{"lr": 0.1}')
    assert (first["recipe"], first["harness"]) == ("published: x", harness_version())
    (lost,) = [row for row in rows if row["model"] == "mult"]
    assert (lost["status"], lost["metric"], lost["value"]) == ("diverged", None, None)
    metrics = {(row["group"], row["metric"]) for row in rows}
    assert {("robustness", "retention"), ("cost", "latency_p50")} <= metrics
    for record in records:
        write_record(tmp_path, record, {"test_label": np.zeros(1)})
    frame = to_frame(tmp_path)
    assert len(frame) == len(rows)
    assert frame[frame.metric == "mae"].groupby("split").value.mean()["valid"] == 1 / 3
    write_leaderboard([(Path("a.json"), record) for record in records], tmp_path)
    written = lines((tmp_path / "runs.csv").read_text())
    assert [line["metric"] for line in written].count("mae") == 2
    assert {float(line["value"]) for line in written if line["metric"] == "mae"} == {1 / 3, 2 / 3}


def test_runs_name_settings_as_rows_of_the_table_do() -> None:
    records = [score_record(config={"lr": 0.1}), score_record(config={"lr": 0.2, "clip": None})]
    table = build(*records)
    rows = to_rows([(Path(f"{number}.json"), record) for number, record in enumerate(records)])
    assert {row["settings"] for row in rows} == {row.settings for row in table.rows}
    assert {row.settings for row in table.rows} == {"lr=0.1", "clip=null, lr=0.2"}


def test_a_model_that_does_not_take_the_data_is_a_note_and_no_row() -> None:
    why = Failure(type="Declined", message="mfn takes regression tasks, this is multilabel")
    declined = lost_record("mfn", 0, "declined").model_copy(update={"error": why})
    table = build(score_record(), declined)
    assert [row.label for row in table.rows] == ["tfn"]
    sentence = "mfn is left out: mfn takes regression tasks, this is multilabel."
    assert sentence in table.notes
    assert sentence in markdown([table], {})
    assert build_tables([(Path("a.json"), declined)]) == []
    assert sentence not in build(score_record(), score_record("mfn"), declined).notes
    (line,) = to_rows([(Path("a.json"), declined)])
    assert (line["status"], line["metric"]) == ("declined", None)


def test_a_neutral_label_and_broken_promises_are_said() -> None:
    task = regression(1, 5).to_dict()
    seen = {"padding": "predictions move by 0.2 with extra steps."}
    record = score_record("my-model").model_copy(update={"task": task, "broken": seen})
    notes = build(record).notes
    assert "Neutral label 3 on [1, 5]: signs and Acc-2 are about it." in notes
    assert (
        "my-model breaks the promise 'padding': predictions move by 0.2 with extra steps." in notes
    )
    assert not any("Neutral" in note for note in build(score_record()).notes)


def test_models_are_called_as_in_their_papers_on_request() -> None:
    shown = {"tfn": "TFN", "mag-bert": "MAG-BERT", "old": "", "mine": "TFR-Net", "yours": "TFR-Net"}
    pairs = [
        (Path(f"{name}.json"), score_record(name).model_copy(update={"display": display}))
        for name, display in shown.items()
    ]
    (table,) = build_tables(pairs, names="paper")
    assert {row.label for row in table.rows} == {"TFN", "MAG-BERT", "old", "mine", "yours"}
    assert {line["model"] for line in lines(tidy([table]))} == set(shown)
    (plain,) = build_tables(pairs)
    assert {row.label for row in plain.rows} == set(shown)


def test_every_registered_model_has_a_name_for_papers() -> None:
    names = {entry.name: entry.display for entry in list_models()}
    assert names["mag-bert"] == "MAG-BERT"
    assert names["tfr-net"] == "TFR-Net"
    assert names["mult"] == "MulT"
    assert len(set(names.values())) == len(names)


def test_latex_reads_as_if_a_person_wrote_it() -> None:
    one = latex([build(score_record("a"), score_record("b"))])
    assert "Results on toy (protocol quick). A single seed; accuracies" in one
    assert r"\pm" not in one
    assert "over 1 seed" not in one
    records = [
        score_record(name, seed, metrics={"acc2_neg_pos": 0.8 + 0.01 * seed})
        for name in "ab"
        for seed in range(3)
    ]
    table = build(*records)
    plain, wide = latex([table]), latex([table], deviations=True)
    assert "a & 3 & 81.0/81.0 &" in plain
    assert r"a & 3 & 81.0{\scriptsize$\pm$0.0}/81.0{\scriptsize$\pm$1.0} &" in wide
    assert "means only" in plain
    assert "means only" not in wide


def test_latex_has_tables_of_corruptions_and_of_what_is_missing() -> None:
    table = build(score_record("a", skill=0.6), score_record("b", skill=0.3))
    _, _, corruptions, missing = latex([table]).split("\n\n")
    assert r"\label{tab:toy-quick-robustness}" in corruptions
    assert r"Model & Clean $\uparrow$ & Noise $\uparrow$ & Mixed $\uparrow$ & Robust" in corruptions
    assert r"a & \textbf{0.600} & \textbf{0.300} &" in corruptions
    assert r"\label{tab:toy-quick-missing}" in missing
    assert r"Nothing missing $\uparrow$ & No vision $\uparrow$" in missing
    assert r"Only text $\uparrow$" in missing
    assert r"b & \underline{0.300} & \underline{0.100} &" in missing


HOSTILE = "[my]_*model*|<b>\nx$y$&%#{z}\\`~^"


def test_a_hostile_name_breaks_no_format(tmp_path: Path) -> None:
    record = score_record(HOSTILE, dataset="a|b\n_<i>", checked=False).model_copy(
        update={"broken": {"padding": "it\nmoves"}, "recipe": "published: see | _this_\n\nor $x$"}
    )
    table = build(record, score_record("tfn", dataset="a|b\n_<i>", checked=False))
    page = markdown([table], {})
    grid = [line for line in page.splitlines() if line.startswith("|")]
    widths = {line.replace("\\|", "").count("|") for line in grid[:4]}
    assert len(widths) == 1
    assert not any(sign in page.replace("<u>", "").replace("</u>", "") for sign in ("<b>", "<i>"))
    assert r"## a\|b \_\<i\>, protocol quick" in page
    assert r"\[my\]\_\*model\*\|\<b\> x\$y\$\&%\#{z}\\\`\~^" in page
    paper = latex([table]).splitlines()
    own = [line for line in paper if r"my]\_*model*" in line]
    assert len(own) == 3
    assert all(line.startswith("{}[my]") for line in own)
    assert {line.replace(r"\&", "").count("&") for line in own} == {
        line.count("&") for line in paper if line.startswith("tfn ")
    }
    assert "my" in screen(table)
    csv_rows = list(csv.DictReader(tidy([table]).splitlines(keepends=True)))
    assert {line["model"] for line in csv_rows} == {HOSTILE, "tfn"}
