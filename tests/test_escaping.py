"""Text of others is shown as it is: on the terminal, in tables, in spreadsheets and in plots."""

import csv
import html
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from markdown_it import MarkdownIt

import affectbench
from benchmark.metrics import evaluate_metrics
from benchmark.naming import visible
from benchmark.records.measurements import Column, Extra
from benchmark.records.record import Failure, Record
from benchmark.records.store import find_records, write_record
from benchmark.running.run import Event
from benchmark.task import multiclass
from leaderboard.build import build_tables
from leaderboard.grouping import LONGEST, comparable
from leaderboard.names import one_line
from leaderboard.plots.draw import plots
from leaderboard.plots.figures import FONTS
from leaderboard.plots.styles import make_styles
from leaderboard.render.csv import csv_text
from leaderboard.render.latex import escape, latex
from leaderboard.report import write_leaderboard
from leaderboard.table import Table
from tests.folders import make_folder
from tests.table_records import (
    cost_record,
    lost_record,
    make_robustness,
    measured,
    score_record,
    screen,
)

ROOT = Path(__file__).parents[1]
TEXTS = (
    *("a|b", "a\\|b", "\\", "one\ntwo\r\nthree\tfour\x0bfive", "<script>alert(1)</script>"),
    *("[red]x[/red]", "[/red]", "x [/red", "[link=http://x]y[/link]", ":heart: &lt; &amp;"),
    *(r"$\frac{a$", "$x$", "`a` ``b`` ```", "```<script>`", "![x](y) [x](y) **b** _i_ ~~s~~"),
    *("\u202etxt\u2066", "zero\u200bwidth\ufeff", "\x1b[31mred\x1b[0m\x07\x00", "\x9b31m"),
    *("=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "# head #", "1. item", "- item", "=== ---"),
    *("a & b % c $ d # e _ f { g } h ~ i ^ j", "'quoted' \"twice\", comma", "__", "a -- b --- c"),
)
HOSTILE = " ".join(TEXTS)
HALF = "\ud800"  # of a surrogate pair: no file can hold it
FOREIGN = os.fsdecode(b"\xff")  # a byte of an argument or a path that is not UTF-8
CLASSES = ("[red]", r"$\frac{a$", "\u202e<b>\n")


def hostile_record(text: str, place: int) -> Record:
    """A record with the text wherever a record is free to hold one."""
    robustness = make_robustness(0.5)
    robustness["curves"] |= {HOSTILE: robustness["curves"]["mix.all"]}
    robustness["modalities"] += ["a_b.c@d:e-" * 10]
    robustness["missing"] |= {f"missing.{robustness['modalities'][-1]}": {"mae": 0.9}}
    record = score_record(
        f"m{place}",
        settings={"key": text + HALF},
        protocol={"name": HOSTILE},
        fingerprint="a|<i>",
    )
    key = HOSTILE.replace(".", "")[: 100 + place]
    columns = [Column(key=key, header=text, unit=text[:20], higher_is_better=True)]
    own = {"own": Extra(values={key: 0.5 + place}, columns=columns)}
    return measured(record, robustness=robustness, extra=own).model_copy(
        update={
            "display": text,
            "recipe": f"published: {text}",
            "changed": {text: text + HALF},
            "exempt": {text: text},
            "broken": {text: text},
            "task": {**multiclass("a", "b", "c").to_dict(), "names": list(CLASSES)},
            "environment": {"processor": text, "threads": 1, "precision": text, "torch": text},
        }
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Table]:
    """The folder of a leaderboard of hostile records, and its table."""
    folder = tmp_path_factory.mktemp("hostile")
    label = np.array([0, 1, 2, 2, 1, 0])
    for place, text in enumerate(TEXTS):
        record = hostile_record(text, place)
        logits = np.random.default_rng(place).normal(size=(6, 3))
        task = multiclass("a", "b", "c")
        metrics = evaluate_metrics(task, label=label, prediction=logits)
        record = measured(record, accuracy={"valid": metrics, "test": metrics})
        write_record(folder, record, {"test_label": label, "test_prediction": logits})
        shared = {"protocol": record.cell.protocol, "fingerprint": record.cell.fingerprint}
        own = {"settings": record.cell.settings, "hardware": text if place < 3 else HOSTILE}
        write_record(folder, cost_record(f"m{place}", **shared, **own), {})
    lost = lost_record("lost", 0, "failed")
    cell = lost.cell.model_copy(update=shared)
    error = Failure(type=HOSTILE, message=HOSTILE, traceback=HOSTILE)
    write_record(folder, lost.model_copy(update={"cell": cell, "error": error}), {})
    pairs = list(find_records(folder))
    (table,) = build_tables(pairs, names="paper")
    write_leaderboard(pairs, folder, names="paper")
    return folder, table


def shown(table: Table) -> set[str]:
    """What a reader must see of the labels."""
    labels = {one_line(row.label) for row in table.rows}
    assert len(labels) == len(table.rows) == len(TEXTS) + 1
    return labels


def content(text: str) -> str:
    """The text of rendered HTML."""
    return html.unescape(re.sub(r"<[^>]*>", "", text))


def test_a_page_shows_every_text_and_runs_none(written: tuple[Path, Table]) -> None:
    folder, table = written
    page = (folder / "leaderboard.md").read_text(encoding="utf-8")
    rendered = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(page)
    tags = set(re.findall(r"</?([a-z0-9]+)", rendered))
    assert tags <= {*("h1", "h2", "h3", "p", "img", "strong", "em", "u", "code"), *("table",)} | {
        *("thead", "tbody", "tr", "th", "td")
    }
    assert rendered.count("<img") == len(plots())
    assert rendered.count("<code>") == 2  # the two files that the page ends with
    heading = re.findall("<h2>(.*)</h2>", rendered)
    assert list(map(content, heading)) == [one_line(table.title)]
    grids = re.findall("<table>(.*?)</table>", rendered, re.DOTALL)
    assert len(grids) == 4
    for grid in grids:
        rows = re.findall("<tr>(.*?)</tr>", grid, re.DOTALL)
        cells = [re.findall("<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
        assert len({len(row) for row in cells}) == 1
        assert {content(row[0]) for row in cells[1:]} <= shown(table)
    assert {content(row) for row in re.findall("<tr>\n<td[^>]*>(.*?)</td>", grids[0])} == {
        *shown(table)
    }
    for text in (*table.notes, *table.training, table.hardware, HOSTILE):
        assert one_line(text) in content(rendered)


def test_a_paper_reads_no_text_as_a_command(written: tuple[Path, Table]) -> None:
    folder, table = written
    paper = (folder / "leaderboard.tex").read_text(encoding="utf-8")
    assert paper == latex([table])
    for text in (*TEXTS, HOSTILE):
        rest = re.sub(r"\\[&%$#_{}]|\\text\w+\{\}|-\{\}|\$\\\w+\$", "", escape(text))
        assert not set(rest) & set("&%$#_{}~^\\`"), text
        assert "\n" not in escape(text)
    bare = re.sub(r"\\[\\&%$#_{}]", "", paper.partition("\n")[2])
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert not set(re.sub(r"\\label.*", "", bare)) & set("#_^~")
    bodies = re.findall(r"\\toprule\n(.*?)\\bottomrule", paper, re.DOTALL)
    assert len(bodies) == 4
    for body in bodies:
        rows = [line for line in body.splitlines() if line != r"\midrule"]
        assert all(line.endswith(r" \\") for line in rows)
        assert len({len(re.findall(r"(?<!\\)&", line)) for line in rows}) == 1
        assert not any(line.startswith(("[", "*")) for line in rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows
    assert all(None not in row and None not in row.values() for row in rows)
    return rows


def as_written(text: str) -> str:
    text = text.replace(HALF, r"\ud800")
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def test_spreadsheets_get_every_text_and_no_formula(written: tuple[Path, Table]) -> None:
    folder, table = written
    rows = read_csv(folder / "leaderboard.csv")
    assert {row["row"] for row in rows} == {as_written(row.label) for row in table.rows}
    assert {row["recipe"] for row in rows} == {as_written(row.recipe) for row in table.rows}
    runs = read_csv(folder / "runs.csv")
    assert {row["hardware"] for row in runs if row["hardware"]} == {
        *map(as_written, (*TEXTS[:3], HOSTILE))
    }
    files = list((folder / "plots").glob("*.csv"))
    assert len(files) == len(plots())
    for path in (folder / "leaderboard.csv", folder / "runs.csv", *files):
        for row in read_csv(path):
            for field in row.values():
                assert not field.startswith(("=", "+", "@", "\t", "\r")), (path, field)
                assert not field.startswith("-") or float(field) <= 0, (path, field)


def test_a_csv_is_read_back_as_it_was() -> None:
    rows = [{"text": text, HOSTILE: -0.1, "none": None, "yes": True} for text in TEXTS]
    text = csv_text(rows)
    found = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["text"] for row in found] == [as_written(row["text"]) for row in rows]
    assert {row[HOSTILE] for row in found} == {"-0.1"}
    assert {(row["none"], row["yes"]) for row in found} == {("", "True")}


def test_sources_are_json_with_every_label(written: tuple[Path, Table]) -> None:
    folder, table = written
    known = json.loads((folder / "leaderboard.sources.json").read_text(encoding="utf-8"))
    assert set(known[table.id]) == {row.label for row in table.rows}


def test_a_terminal_shows_every_label(written: tuple[Path, Table]) -> None:
    _, table = written
    lines = screen(table, 9000).splitlines()
    assert lines[0].strip().startswith(one_line(table.title)[:80])
    for label in shown(table):
        assert any(line.strip().startswith(label) for line in lines), label
    assert visible("".join(lines)) == "".join(lines)
    assert screen(table, 80)


def test_plots_draw_every_text(written: tuple[Path, Table]) -> None:
    folder, table = written
    for name in plots():
        for suffix in ("png", "pdf"):
            assert (folder / "plots" / f"{table.id}-{name}.{suffix}").stat().st_size > 1000
    with mpl.rc_context(FONTS):
        figures = {name: plot(table, make_styles([table])) for name, plot in plots().items()}
    for name, drawn in figures.items():
        assert drawn is not None, name
        texts = [text.get_text() for text in drawn[0].findobj(mpl.text.Text)]
        assert all(visible(text) == text for text in texts), name
        assert not any(text.get_usetex() for text in drawn[0].findobj(mpl.text.Text)), name
        assert one_line(table.title)[:40] in drawn[0].get_suptitle().replace("\n", " ")
    figure = figures["confusion"][0]
    figure.draw_without_rendering()
    axis = figure.axes[0]
    assert [text.get_text() for text in axis.get_yticklabels()] == [*map(one_line, CLASSES)]


@pytest.mark.parametrize(
    "names",
    [
        ("..", "../..", "/etc/passwd", "", "中文", "日本", "."),
        ("quick", "Quick", "QUICK", "quick-", "quick/"),
        (*TEXTS, *(text * 50 for text in TEXTS)),
    ],
)
def test_files_are_named_apart_and_stay_in_their_folder(names: tuple[str, ...]) -> None:
    records = [
        score_record(dataset=dataset, protocol={"name": name}, harness=harness, checked=False)
        for name in names
        for dataset, harness in (("toy", "2.ab12cd"), ("中文", "../x"))
    ]
    pairs = [(Path(f"{record.cell.key}.json"), record) for record in records]
    ids = [name for name, _ in comparable(pairs, "2.ab12cd")]
    assert len({name.lower() for name in ids}) == len(records)
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name) for name in ids)
    assert max(map(len, ids)) < LONGEST + 20


PLUGIN = """
import torch
from torch import nn
from benchmark import Batch, Dims, Model, Output, UserError, register_model

TEXT = {text!r}

@register_model("hostile", display=TEXT, paper=TEXT, source=TEXT, smoke={{}}, no_capture=TEXT,
    defaults={{"synthetic": {{"text": TEXT, "recipe": "published: " + TEXT}}, TEXT: {{}}}})
class Hostile(Model):
    __doc__ = TEXT[:-1]

    def __init__(self, dims: Dims, *, text: str = TEXT):
        super().__init__()
        self.head = nn.Linear(1, 1)

    def forward(self, batch: Batch) -> Output:
        raise ValueError(TEXT)
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("[red] $x$") / "[bold]hostile.py"
    path.write_text(PLUGIN.format(text=HOSTILE + HALF), encoding="utf-8")
    return path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """The exit code of the command, run in this process."""
    monkeypatch.setattr(sys, "argv", ["affectbench", *map(str, arguments)])
    try:
        affectbench.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def joined(text: str) -> str:
    """Printed text without the breaks of lines and cells."""
    return re.sub(r"\s+", "", text)


def seen(text: str) -> str:
    """What of a text is printed, whatever the width."""
    return joined(visible(text))


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("ls",), 0),
        (("ls", "settings", "hostile"), 0),
        (("check",), 1),
        (("run", "-m", "hostile", "--dry-run", "--set", f"text={HOSTILE}"), 0),
    ],
)
def test_the_command_prints_what_a_plugin_says(
    arguments: tuple[str, ...],
    code: int,
    plugin: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, *arguments, "--plugin", plugin) == code
    printed = capsys.readouterr().out
    assert visible(printed) == printed
    assert "hostile" in printed or "settings" in arguments
    if arguments == ("check",):
        assert seen(HOSTILE + HALF) in joined(printed)
    if arguments[0] == "ls":
        assert "[/red]" in joined(printed)
        assert "<script>" in joined(printed)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--plugin", HOSTILE.replace("\0", "")),
        ("run", "-m", HOSTILE),
        ("run", "--protocol", HOSTILE.replace("\0", "")),
        ("run", "--seeds", HOSTILE),
        ("run", "--set", HOSTILE),
        ("leaderboard", f"[red]{FOREIGN}[/b]"),
        ("data", "check", "[red]x[/b]\x1b"),
        ("data", "import", "x", f"[red]{FOREIGN}[/b]"),
        ("score", f"[/b]{FOREIGN}", f"[red]{FOREIGN}[/b].csv"),
        ("ls", "[/red]\x1b[31m"),
        ("[/red]\x1b[31m",),
    ],
)
def test_a_mistake_is_said_as_it_was_made(
    arguments: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, *arguments) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert "\x1b" not in printed.err
    assert "Traceback" not in printed.err
    assert any(text in printed.err for text in ("[/", "x", "b]"))


def test_the_list_of_datasets_shows_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_folder(tmp_path, "[red]a[b]")
    (make_folder(tmp_path, f"x\x1b{FOREIGN}") / "dataset.json").write_text("[red]")
    assert call(monkeypatch, "data", "ls", "--data", tmp_path) == 0
    printed = capsys.readouterr().out
    assert visible(printed) == printed
    assert "[red]a[b]" in printed
    assert r"x\x1b" in printed


def test_live_progress_shows_titles_as_they_are() -> None:
    stream = io.StringIO()
    screen = affectbench._Screen(file=stream, force_terminal=True, width=200, color_system=None)
    title = "[red]a[/b] :heart: \u202e"
    cell: Any = SimpleNamespace(key="1", title=title, dataset=title, model="m")
    plan: Any = SimpleNamespace(cell=cell, declined="")
    with affectbench._progress(screen, [plan]) as show:
        for kind in ("declined", "broken", "started"):
            show(Event(kind, plan, sentence=title))
        screen.print("shown")
    printed = stream.getvalue()
    assert printed.count(visible(title)) >= 5
    assert "\u202e" not in printed


def test_a_run_says_what_a_model_raised_in_any_encoding(plugin: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "affectbench.py"), "run", "--plugin", str(plugin)]
    command += ["-m", "hostile", "--seeds", "1", "--jobs", "0", "--names", "paper"]
    command += ["-o", "[red]out[/b]"]
    environment: dict[str, Any] = {**os.environ, "PYTHONIOENCODING": "ascii"}
    answer = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert answer.returncode == 1, answer.stderr
    assert "\x1b" not in answer.stdout + answer.stderr
    assert "[red]out[/b]" in answer.stdout
    assert seen(HOSTILE + HALF) in joined(answer.stdout)
    assert "Traceback" not in answer.stderr
    (record,) = [r for _, r in find_records(tmp_path / "[red]out[/b]") if r.cell.part == "score"]
    assert record.error is not None
    assert record.error.message == HOSTILE + "\\ud800"  # as a code, so that any file can hold it
