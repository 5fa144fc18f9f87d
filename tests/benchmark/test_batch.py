"""What a batch hands out: sealed for prediction, centred for training."""

from collections.abc import Callable

import pytest
import torch

from benchmark.batch import Batch, Sealed, Stream
from benchmark.errors import UserError
from benchmark.evaluation import in_label_units
from benchmark.task import regression

STREAM = Stream(torch.ones(4, 3, 2), torch.ones(4, 3, dtype=torch.bool))
BATCH = Batch(
    {"text": STREAM, "audio": STREAM, "vision": STREAM},
    torch.arange(4.0),
    torch.arange(4),
    unimodal_labels={"text": torch.arange(4.0)},
)
READS: dict[str, Callable[[Batch], object]] = {
    "label": lambda batch: batch.label * 1,
    "a sum with the label": lambda batch: torch.zeros(4) + batch.label,
    "label in a list": lambda batch: torch.cat([batch.label]),
    "label on the host": lambda batch: batch.label.numpy(),
    "label as a copy": lambda batch: batch.label.detach(),
    "label by sample": lambda batch: list(batch.label),
    "unimodal labels": lambda batch: batch.unimodal_labels["text"].mean(),
    "index": lambda batch: batch.index[0],
    "index into a table": lambda batch: torch.ones(9)[batch.index],
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_whoever_reads_what_is_sealed_is_told_so(read: Callable[[Batch], object]) -> None:
    read(BATCH)
    with pytest.raises(UserError, match="known in training only"):
        read(BATCH.sealed())


def test_a_seal_tells_shape_type_and_device_and_travels_with_the_batch() -> None:
    sealed = BATCH.sealed()
    assert len(sealed) == 4
    assert sealed.label.shape == (4,)
    assert sealed.label.dtype == torch.float32
    assert sealed.index.device == torch.device("cpu")
    part = sealed.with_stream("audio", STREAM).select(torch.tensor([0, 2])).without("text")
    assert isinstance(part.label, Sealed)
    assert part.index.shape == (2,)


def test_nothing_lies_below_a_seal() -> None:
    sealed = BATCH.sealed()
    assert sealed.label.blank.isnan().all()
    assert (sealed.index.blank == -1).all()


def test_labels_are_deviations_from_the_neutral_one() -> None:
    task = regression(1, 5, neutral=3)
    centred = BATCH.centred(task.centre)
    assert centred.label.tolist() == [-3, -2, -1, 0]
    assert centred.unimodal_labels["text"].tolist() == [-3, -2, -1, 0]
    assert in_label_units(centred.label.numpy(), task).tolist() == BATCH.label.tolist()
    assert (task.centred().low, task.centred().high, task.centred().neutral) == (-2, 2, 0)


def test_a_neutral_label_of_zero_changes_no_bit() -> None:
    task = regression(-3, 3)
    assert BATCH.centred(task.centre) is BATCH
    prediction = BATCH.label.numpy()
    assert in_label_units(prediction, task) is prediction
    assert task.centred() is task
