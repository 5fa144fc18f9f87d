"""Score predictions that were made anywhere, under the same metrics as every model here."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.config import PROTOCOLS, get_protocol
from benchmark.datasets.dataset import Dataset, Split
from benchmark.datasets.files.csv_file import read_csv
from benchmark.datasets.folds import SUFFIX, count_folds
from benchmark.datasets.load import find_source, load_dataset
from benchmark.errors import UserError, unknown
from benchmark.metrics import evaluate_metrics, refuse_impossible
from benchmark.naming import check_name, clipped, shown
from benchmark.plugins import own_models
from benchmark.records.harness import harness_version
from benchmark.records.measurements import Accuracy, Measurements
from benchmark.records.parts import SCORE
from benchmark.records.record import Cell, Record
from benchmark.records.store import find_records, write_record
from benchmark.task import Task

Floats = NDArray[np.float32]
SHOWN = 3  # ids or names in a sentence


@dataclass(frozen=True)
class External:
    """Predictions from elsewhere as one row of a table: where they stand and for what.

    Attributes:
        name: of the row.
        dataset: its name, with `@folds` where seed s is for fold s.
        data: folder of the datasets.
        text_encoder: that of the models beside which the row is to stand.
        protocol: name of the protocol of these models; empty for the one found in `folder`.
        folder: output folder of these models, or none.
    """

    name: str
    dataset: str
    data: Path | None = None
    text_encoder: str = ""
    protocol: str = ""
    folder: Path | None = None


def score_files(
    external: External, paths: Sequence[Path], seeds: Sequence[int]
) -> list[tuple[Path, Record]]:
    """Score one CSV a seed; with a folder, write a record for each, beside those of trained models.

    Args:
        external: what the predictions are for.
        paths: one CSV a seed.
        seeds: of the files, in their order.

    Returns:
        For each file the path of its record (its own, if nothing is written) and the record.

    Raises:
        UserError: a file is broken, or its predictions are better than any can be.
    """
    if len(seeds) != len(paths) or len(set(seeds)) != len(seeds):
        raise UserError(
            f"{len(paths)} files need as many different seeds, one each, got "
            f"{', '.join(map(str, seeds))}"
        )
    check_name("the row", external.name, "give it another name by --name")
    if external.name in own_models():
        raise UserError(
            f"{external.name!r} is a model of this suite; call the row of your predictions "
            f"otherwise by --name"
        )
    scored = [_score(external, path, seed) for path, seed in zip(paths, seeds, strict=True)]
    if external.folder is None:
        return [(path, record) for path, (record, _) in zip(paths, scored, strict=True)]
    return [(write_record(external.folder, record, arrays), record) for record, arrays in scored]


def common_name(paths: Sequence[Path]) -> str:
    """What the stems of the files share, without the number of the seed.

    Raises:
        UserError: they share nothing.
    """
    stems = [path.stem.removesuffix(".csv") for path in paths]  # of mine.csv.gz too
    if len(stems) == 1:
        return stems[0]
    letters = takewhile(lambda letters: len(set(letters)) == 1, zip(*stems, strict=False))
    shared = "".join(letter for letter, *_ in letters).rstrip("0123456789-_. ")
    if not shared:
        raise UserError(
            f"the files {', '.join(path.name for path in paths[:SHOWN])} share no name; give the "
            f"row one by --name"
        )
    return shared


def _score(external: External, path: Path, seed: int) -> tuple[Record, dict[str, NDArray[Any]]]:
    dataset, fold = _dataset(external, seed)
    test = dataset.open_test()
    prediction = read_predictions(dataset, test, path)
    try:
        refuse_impossible(dataset.task, test.label, prediction, test.oracle)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    measured = {
        name: evaluate_metrics(dataset.task, label=test.label, prediction=values)
        for name, values in (("test", prediction), ("oracle", test.oracle))
        if values is not None
    }
    cell = Cell(
        model=external.name,
        kind="plugin",
        variant="",
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        seed=seed,
        part=SCORE.name,
        settings={"external": True},
        config={},
        protocol=_protocol(external, dataset),
        source="",
        fold=fold,
        harness=harness_version(),
    )
    record = Record(
        cell=cell,
        status="done",
        task=dataset.task.to_dict(),
        measurements=Measurements(accuracy=Accuracy(**measured)),
    )
    arrays = {"test_id": test.ids, "test_label": test.label, "test_prediction": prediction}
    return record, arrays


def _dataset(external: External, seed: int) -> tuple[Dataset, int | None]:
    """The dataset, or for `name@folds` the fold that the seed is for, and its number."""
    name, fold = external.dataset, None
    if name.endswith(SUFFIX):
        base = name.removesuffix(SUFFIX)
        fold = seed % count_folds(find_source(base, external.data))
        name = f"{base}@{fold}"
    loaded = load_dataset(name, data=external.data, text_encoder=external.text_encoder)
    return loaded, fold


def _protocol(external: External, dataset: Dataset) -> dict[str, Any]:
    """All fields of the protocol in whose table the row is to stand.

    Raises:
        UserError: no such protocol, or the folder has several and none is named.
    """
    if external.protocol and external.protocol not in PROTOCOLS:
        raise unknown("protocol", external.protocol, PROTOCOLS)
    found: list[dict[str, Any]] = []
    told: list[str] = []  # the tables say what is left out
    for _, record in [] if external.folder is None else find_records(external.folder, told.append):
        cell = record.cell
        same = (cell.dataset, cell.fingerprint) == (dataset.name, dataset.fingerprint)
        wanted = external.protocol in ("", cell.protocol.get("name"))
        if same and wanted and cell.settings != {"external": True} and cell.protocol not in found:
            found.append(cell.protocol)
    usual = get_protocol(external.protocol or "quick").model_dump(mode="json")
    if len(found) > 1 and not external.protocol:
        names = ", ".join(sorted({str(protocol.get("name")) for protocol in found}))
        raise UserError(
            f"the records of {dataset.name} in {external.folder} follow several protocols "
            f"({names}); name one by --protocol"
        )
    return found[0] if len(found) == 1 else usual


def read_predictions(dataset: Dataset, test: Split, path: Path) -> Floats:
    """Predictions in the order of the test split, `(N,)` or logits `(N, C)`.

    Raises:
        UserError: a column is missing; ids are missing, duplicate or unknown; a value is no finite
            number or no known class.
    """
    table = read_csv(path, len(test) + SHOWN)
    task = dataset.task
    columns = _columns(task, table, path)
    table = _with_ids(dataset, test, path, table)
    if task.kind == "multiclass" and columns == ["prediction"]:
        return np.eye(len(task.names), dtype=np.float32)[_classes(task, table["prediction"], path)]
    values = np.array([list(map(_number, table[name])) for name in columns]).T  # (N, columns)
    bad = table.index[~(np.abs(values) <= np.finfo(np.float32).max).all(axis=1)]
    if len(bad):
        raise UserError(f"{path}: the prediction of id {shown(str(bad[0]))} is no finite number")
    if task.kind == "multilabel":
        values = _yes_no(values, path)
    single: Floats = values.astype(np.float32)
    return single[:, 0] if task.kind == "regression" else single


def _number(text: str) -> float:
    """A number as CSV files have it; NaN where the text is none."""
    try:
        return np.nan if "_" in text else float(text)
    except ValueError:
        return np.nan


def _columns(task: Task, table: pd.DataFrame, path: Path) -> list[str]:
    """The columns that hold the prediction: one, or one a class."""
    names = ["prediction"] if task.kind == "regression" else list(task.names)
    if task.kind == "multiclass" and "prediction" in table and not {*names} <= {*table.columns}:
        names = ["prediction"]
    missing = [name for name in ["id", *names] if name not in table.columns]
    if not missing:
        return names
    some = ", ".join(missing[:8]) + (", ..." if len(missing) > 8 else "")
    either = " (or prediction, with the class of each id)" if task.kind == "multiclass" else ""
    raise UserError(
        f"{path} lacks the column{'s' if len(missing) > 1 else ''} {some}{either}; it has "
        f"{', '.join(clipped(name) for name in table.columns[:20]) or 'none'}"
    )


def _with_ids(dataset: Dataset, test: Split, path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """The rows in the order of the test split, by their ids.

    Raises:
        UserError: an id is there twice, is unknown, or is missing.
    """
    wanted = [str(name) for name in test.ids]
    known = set(wanted)
    ids = [name if name in known else name.strip() for name in table["id"]]
    counts = Counter(ids)
    for problem, names in (
        ("occurs more than once", sorted(name for name, count in counts.items() if count > 1)),
        ("is not in the test split", sorted(counts.keys() - known)),
        ("has no prediction", sorted(known - counts.keys())),
    ):
        if names:
            first = ", ".join(map(shown, names[:SHOWN]))
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            raise UserError(
                f"{path}: id {first}{more} {problem}; the test split of {dataset.name} has "
                f"{len(test)} ids, each must come once"
            )
    return table.drop(columns="id").set_index(pd.Index(ids, dtype=object)).loc[wanted]


def _classes(task: Task, values: "pd.Series[str]", path: Path) -> NDArray[np.int64]:
    """Numbers of the classes, which the column holds by name or by number."""
    places = {name: place for place, name in enumerate(task.names)}
    found = []
    for sample, text in values.items():
        value = text.strip()
        place = places.get(text, places.get(value, -1))
        if place < 0:
            number = _number(value)
            if number not in range(len(places)):
                error = unknown("class", value, task.names)
                raise UserError(
                    f"{path}: {error}, or a number from 0 to {len(places) - 1} (id {shown(sample)})"
                )
            place = int(number)
        found.append(place)
    return np.array(found, dtype=np.int64)


def _yes_no(values: NDArray[np.float64], path: Path) -> NDArray[np.float64]:
    """Logits; a file of nothing but 0 and 1 holds decisions.

    Raises:
        UserError: they look like probabilities, all of which would count as yes.
    """
    if np.isin(values, (0, 1)).all():
        return 2 * values - 1
    if values.min() >= 0 and values.max() <= 1:
        raise UserError(
            f"{path}: all predictions are between 0 and 1, which looks like probabilities; write "
            f"0 or 1, or logits (above 0 for yes)"
        )
    return values
