"""Score predictions that were made anywhere, under the same metrics as every model here."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.datasets.spec import Dataset, Split
from benchmark.errors import UserError
from benchmark.harness import harness_version
from benchmark.metrics import evaluate_metrics
from benchmark.results import Cell, Record


def score_file(dataset: Dataset, path: Path) -> Record:
    """Score a CSV of predictions for the test split.

    Args:
        dataset: whose test split the predictions are for.
        path: columns `id` and `prediction`; for classes one column of logits a class name.

    Returns:
        A record with the evaluation `accuracy`, for the same table as every other.

    Raises:
        UserError: a column is missing; ids are missing, duplicate or unknown; no finite numbers.
    """
    test = dataset.open_test()
    prediction = read_predictions(dataset, test, path)
    measured = {
        "test": evaluate_metrics(dataset.task, label=test.label, prediction=prediction),
        **(
            {"oracle": evaluate_metrics(dataset.task, label=test.label, prediction=test.oracle)}
            if test.oracle is not None
            else {}
        ),
    }
    cell = Cell(
        model=path.stem,
        kind="plugin",
        variant="",
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        seed=0,
        part="score",
        settings={},
        config={},
        protocol={"name": "external predictions"},
        source="",
        harness=harness_version(),
    )
    return Record(
        cell=cell,
        status="done",
        task=dataset.task.to_dict(),
        measurements={"accuracy": measured},
    )


def read_predictions(dataset: Dataset, test: Split, path: Path) -> NDArray[np.float32]:
    """Predictions in the order of the test split, `(N,)` or `(N, C)`.

    Raises:
        UserError: see `score_file`.
    """
    try:
        table = pd.read_csv(path, dtype={"id": str})
    except FileNotFoundError:
        raise UserError(f"{path} is not there; give a CSV with columns id and prediction") from None
    except (ValueError, OSError) as error:
        raise UserError(f"{path} is no readable CSV: {str(error).splitlines()[0]}") from None
    task = dataset.task
    columns = ["prediction"] if task.outputs == 1 else list(task.names)
    missing = [name for name in ["id", *columns] if name not in table.columns]
    if missing:
        raise UserError(
            f"{path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; "
            f"it has {', '.join(map(str, table.columns))}"
        )
    ids = table["id"].astype(str)
    for problem, names in (
        ("occurs more than once", sorted(set(ids[ids.duplicated()]))),
        ("is not in the test split", sorted(set(ids) - set(test.ids))),
        ("has no prediction", sorted(set(test.ids) - set(ids))),
    ):
        if names:
            shown = ", ".join(repr(str(name)) for name in names[:3])
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise UserError(
                f"{path}: id {shown}{more} {problem}; the test split of {dataset.name} has "
                f"{len(test)} ids, each must come once"
            )
    values = table.set_index(ids)[columns].apply(pd.to_numeric, errors="coerce").loc[list(test.ids)]
    bad = values.index[~np.isfinite(values.to_numpy(dtype=float)).all(axis=1)]
    if len(bad):
        raise UserError(f"{path}: the prediction of id {bad[0]!r} is no finite number")
    array = values.to_numpy(dtype=np.float32)
    single: NDArray[np.float32] = array[:, 0]
    return single if task.outputs == 1 else array
