"""Label generation where no golden numbers reach: empty classes, other scales, saved state."""

import pytest
import torch

from baselines.layers.ulgm import LabelGenerator, head_losses
from baselines.self_mm import SelfMM
from benchmark.conformance.tiny_data import tiny_batch, tiny_batches
from benchmark.errors import UserError
from benchmark.task import Dims, multiclass, regression

WIDTHS = {"fusion": 3, "audio": 2}
DIMS = Dims({"text": 7, "audio": 5, "vision": 9})


def _generate(label: torch.Tensor, low: float, high: float, **options: bool) -> LabelGenerator:
    """Three epochs on one batch with features that do not depend on the scale of the label."""
    draw = torch.Generator().manual_seed(3)
    features = {
        name: torch.randn(len(label), width, generator=draw) for name, width in WIDTHS.items()
    }
    generator = LabelGenerator(WIDTHS, regression(low, high), **options)
    batch = tiny_batch(DIMS, len(label))
    generator.start(tiny_batches(_with_label(batch, label), len(label)))
    for epoch in (1, 2, 3):
        generator.start_epoch(epoch)
        generator.update(features, label, batch.index)
    return generator


def _with_label(batch, label):
    batch.label.copy_(label)
    return batch


def test_labels_move_and_stay_in_range() -> None:
    label = torch.tensor([-2.0, 1.0, 0.0, 3.0, -1.0, 2.0])
    generator = _generate(label, -3, 3)
    fusion, audio = generator.labels
    assert torch.equal(fusion, label)
    assert not torch.allclose(audio, label)
    assert audio.abs().max() <= 3
    assert 0 <= generator.clamped <= 1


def test_a_class_without_samples_leaves_the_labels_alone() -> None:
    label = torch.tensor([1.0, 2.0, 3.0, 0.5])
    generator = _generate(label, -3, 3)
    assert torch.equal(generator.labels, label.expand(2, -1))


def test_a_shifted_scale_shifts_the_labels() -> None:
    label = torch.tensor([-2.0, 1.0, 0.0, 2.0, -1.0, 1.5])
    around_zero = _generate(label, -2, 2).labels
    around_three = _generate(label + 3, 1, 5)
    targets = around_three.targets(label + 3, torch.arange(len(label)))
    assert torch.allclose(around_three.labels, around_zero, atol=1e-5)
    assert torch.allclose(targets["audio"], around_zero[1] + 3, atol=1e-5)


def test_the_options_change_the_labels() -> None:
    label = torch.tensor([-2.0, 1.0, 0.0, 2.0, -1.0, 1.5])
    plain = _generate(label, -3, 3).labels
    assert not torch.allclose(plain, _generate(label, -3, 3, exclude_zero=False).labels)
    assert not torch.allclose(plain, _generate(label, -3, 3, paper_distance=True).labels)


def test_unimodal_losses_are_weighted_by_the_distance_of_the_labels() -> None:
    targets = {"fusion": torch.tensor([1.0, -1.0]), "audio": torch.tensor([1.0, 0.0])}
    predictions = {"fusion": torch.zeros(2), "audio": torch.tensor([5.0, 2.0])}
    losses = head_losses(predictions, targets)
    assert losses["fusion"].item() == 1.0
    assert losses["audio"].item() == pytest.approx(torch.tanh(torch.tensor(1.0)).item())


def test_classes_are_refused() -> None:
    with pytest.raises(UserError, match="multiclass"):
        SelfMM(
            Dims({"text": 7, "audio": 5, "vision": 9}, outputs=3, task=multiclass("a", "b", "c"))
        )


def test_memories_are_not_saved() -> None:
    model = SelfMM(DIMS)
    names = set(model.state_dict())
    model.start_training(tiny_batches(tiny_batch(DIMS)))
    assert set(model.state_dict()) == names
