"""Records and tables made by hand, for the tests of the leaderboard."""

from pathlib import Path
from typing import Any

from rich.console import Console

from benchmark.records.harness import harness_version
from benchmark.records.measurements import OWN, Measurements
from benchmark.records.record import Cell, Epoch, Failure, Record, Training
from benchmark.task import regression
from leaderboard.build import build_tables
from leaderboard.render.terminal import terminal_table
from leaderboard.table import Row, Table

SELECTION = {"regression": "mae", "multiclass": "f1_weighted", "multilabel": "f1_macro"}
PROTOCOL = {"name": "quick", "selection": SELECTION}
LEVELS = [0.0, 0.5, 1.0]
CPU = "Some CPU, 1 thread, fp32"


def make_cell(
    model: str = "tfn", seed: int = 0, part: str = "score", *, checked: bool = True, **changes: Any
) -> Cell:
    """A cell; unchecked it may have names that no record can have."""
    values: dict[str, Any] = {
        "model": model,
        "kind": "baseline",
        "variant": "paper",
        "dataset": "toy",
        "fingerprint": "abc",
        "seed": seed,
        "part": part,
        "settings": {"hidden": 8, "variant": "paper"},
        "config": {"lr": 1e-3},
        "protocol": PROTOCOL,
        "source": "0123456789ab",
        "hardware": CPU if part == "cost" else "",
        "harness": harness_version(),
    }
    return (Cell if checked else Cell.model_construct)(**{**values, **changes})


def make_robustness(skill: float) -> dict[str, Any]:
    """Skill falls from that on clean data to its half at level 0.5 and to 0 at level 1."""
    errors = [[1 - skill], [1 - skill / 2], [1.0]]
    curve = {
        "levels": LEVELS,
        "metrics": {"mae": errors},
        "flip_rate": [0.1] * 3,
        "shift": [0.2] * 3,
    }
    gone = ("vision", "audio", "text", "audio+vision", "text+vision", "text+audio")
    missing = {f"missing.{name}": {"mae": 1 - skill / 3} for name in gone}
    return {
        "suite": "1",
        "skill_metric": "mae",
        "modalities": ["text", "audio", "vision"],
        "prior": {"mae": 1.0},
        "curves": {"feat.gauss": curve, "mix.all": curve},
        "missing": {"missing.none": {"mae": 1 - skill}, **missing},
        "manifest": {"mix.all": "0123456789ab"},
    }


def make_cost(factor: float) -> dict[str, Any]:
    count = {"inference_only": int(1000 * factor), "frozen": 0}
    return {
        "parameters": {
            "inference_only": int(1000 * factor) + 500,
            "frozen": 100,
            "without_text_encoder": count,
        },
        "flops": {"flops": 5000, "without_text_encoder": {"flops": 4000}},
        "latency": {"p50_ms": 0.5 * factor, "p90_ms": factor, "p99_ms": 2 * factor},
        "throughput": {"best": 1234.5 / factor},
        "memory": {"inference": {"peak_mib": factor}, "training": None},
    }


def score_record(
    model: str = "tfn",
    seed: int = 0,
    *,
    metrics: dict[str, Any] | None = None,
    skill: float = 0.6,
    stopped: Any = "patience",
    oracle: dict[str, Any] | None = None,
    **changes: Any,
) -> Record:
    test = {"mae": 0.8, "corr": 0.7, "acc7": 0.4, "acc2_neg_nonneg": 0.81, "acc2_neg_pos": 0.82}
    test |= {"f1_neg_nonneg": 0.805, "f1_neg_pos": 0.815, "acc5": 0.45, **(metrics or {})}
    accuracy = {"valid": test, "test": test, **({"oracle": oracle} if oracle else {})}
    epochs = 0 if stopped == "untrainable" else 2 + seed % 2
    history = [
        Epoch(epoch=1 + i, train_loss=1.0, valid={"mae": 1.0 - 0.1 * i}, seconds=0.1, lr=1e-3)
        for i in range(epochs)
    ]
    training = Training(
        selection="mae",
        best_epoch=epochs,
        best_value=0.9,
        epochs=epochs,
        steps=epochs,
        seconds=1.5 + seed,
        seconds_per_epoch=0.1,
        samples_per_second=10.0,
        stopped=stopped,
    )
    return Record(
        cell=make_cell(model, seed, **changes),
        status="done",
        task=regression(-3, 3).to_dict(),
        history=history,
        training=training,
        measurements={"accuracy": accuracy, "robustness": make_robustness(skill)},
        environment={"processor": "Some CPU", "threads": 1, "precision": "fp32", "torch": "2"},
    )


def measured(record: Record, **parts: Any) -> Record:
    """The record with other measurements: of an evaluation what it returned."""
    kept = {name: getattr(record.measurements, name) for name in OWN}
    kept |= {"extra": record.measurements.extra, **parts}
    known = {name: value for name, value in kept.items() if value is not None}
    return record.model_copy(update={"measurements": Measurements.model_validate(known)})


def lost_record(model: str, seed: int, status: Any) -> Record:
    error = Failure(type="Diverged", message="NaN")
    kept = {"accuracy": {"test": {"mae": 0.0}}}  # whatever was measured before does not count
    return Record(cell=make_cell(model, seed), status=status, error=error, measurements=kept)


def cost_record(model: str = "tfn", factor: float = 1.0, **changes: Any) -> Record:
    cell = make_cell(model, part="cost", **changes)
    return Record(cell=cell, status="done", measurements={"cost": make_cost(factor)})


def build(*records: Record) -> Table:
    tables = build_tables([(Path(f"{record.cell.key}.json"), record) for record in records])
    assert len(tables) == 1
    return tables[0]


def row_of(table: Table, label: str) -> Row:
    return next(row for row in table.rows if row.label == label)


def place(table: Table, label: str, key: str) -> str:
    return table.mark(row_of(table, label), key).place


def screen(table: Table, width: int = 120) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(terminal_table(table, width))
    return capture.get()
