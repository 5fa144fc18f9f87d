"""MMIM's two stages, its memory and its losses where no golden numbers reach."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines.mmim import MMIM, contrastive_loss, mixture_entropy
from benchmark.config import TrainConfig
from benchmark.conformance.promises import run_check
from benchmark.conformance.tiny_data import steps, tiny_batch, tiny_batches
from benchmark.registry import create_model, get_model
from benchmark.task import Dims, multiclass, multilabel
from benchmark.training.batches import SplitBatches

DIMS = Dims({"text": 7, "audio": 5, "vision": 9})
SETTINGS = {**get_model("mmim").smoke, "bound_lr": 0.05}


def _model(dims: Dims = DIMS, **settings: float) -> MMIM:
    torch.manual_seed(0)
    return create_model("mmim", dims, **{**SETTINGS, **settings})


def _rows(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _likelihood(model: MMIM, batches: SplitBatches) -> float:
    with torch.no_grad():
        output = model.eval()(batches.whole())
        return sum(value.item() for value in model.log_likelihoods(output.features).values())


def test_entropy_is_the_mean_over_classes_of_half_the_log_determinant() -> None:
    rows = _rows(0, 20, 3)
    members = torch.zeros(20, 2)
    members[:8, 0] = members[10:, 1] = 1  # two rows belong to no class
    expected = [
        np.linalg.slogdet(np.cov(part.double().numpy().T, bias=True))[1] / 2
        for part in (rows[:8], rows[10:])
    ]
    assert mixture_entropy(rows, members).item() == pytest.approx(np.mean(expected), rel=1e-4)


@pytest.mark.parametrize("counts", [(0, 12), (3, 12), (0, 0)])
def test_a_class_with_too_few_rows_counts_as_zero(counts: tuple[int, int]) -> None:
    rows = _rows(0, 20, 3).requires_grad_()
    members = torch.zeros(20, 2)
    members[: counts[0], 0] = 1
    members[20 - counts[1] :, 1] = 1
    entropy = mixture_entropy(rows, members)
    entropy.backward()
    alone = mixture_entropy(rows.detach(), members[:, 1:]) / 2
    assert torch.isclose(entropy, alone if counts[1] else torch.zeros(()), atol=1e-5)
    assert rows.grad is not None
    assert torch.isfinite(rows.grad).all()


def test_the_entropy_of_equal_rows_is_finite() -> None:
    rows = torch.full((12, 3), 0.3, requires_grad=True)
    entropy = mixture_entropy(rows, torch.ones(12, 1))
    entropy.backward()
    assert torch.isfinite(entropy)
    assert rows.grad is not None
    assert torch.isfinite(rows.grad).all()


def test_contrast_is_lowest_for_the_right_pairs_and_bears_empty_vectors() -> None:
    vector = torch.eye(4)
    assert contrastive_loss(vector, vector) < contrastive_loss(vector, vector.roll(1, 0))
    empty = torch.zeros(4, 4, requires_grad=True)
    loss = contrastive_loss(empty, vector)
    loss.backward()
    assert loss.item() == pytest.approx(np.log(4))
    assert empty.grad is not None
    assert torch.isfinite(empty.grad).all()


def test_the_first_stage_fits_the_bounds_and_nothing_else() -> None:
    model, batches = _model(), tiny_batches(tiny_batch(DIMS, samples=12))
    model.start_training(batches)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    likelihood = _likelihood(model, batches)
    for epoch in range(1, 6):
        model.start_epoch(epoch, batches)
    assert _likelihood(model, batches) > likelihood + 0.1
    changed = {n for n, value in model.state_dict().items() if not torch.equal(value, before[n])}
    assert changed
    assert all(".mean." in name or ".log_variance." in name for name in changed)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_second_stage_leaves_the_bounds_alone() -> None:
    model, batches = _model(bound_share=0.0), tiny_batches(tiny_batch(DIMS, samples=12))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for _ in steps(model, batches, epochs=3):
        pass
    same = {n for n, value in model.state_dict().items() if torch.equal(value, before[n])}
    assert same == {name for name in before if name.startswith("bounds.")}


def test_no_parameter_group_holds_a_bound() -> None:
    model = _model()
    grouped = {id(p) for group in model.param_groups(TrainConfig()) for p in group["params"]}
    left = {name for name, value in model.named_parameters() if id(value) not in grouped}
    assert left == {f"bounds.{name}" for name, _ in model.bounds.named_parameters()}


@pytest.mark.parametrize(("share", "expected"), [(1.0, 4), (0.5, 2), (0.1, 1), (0.0, 0)])
def test_the_first_stage_reads_a_share_of_the_batches(share: float, expected: int) -> None:
    class Counted(SplitBatches):
        read = 0

        def __iter__(self):
            for batch in super().__iter__():
                self.read += 1
                yield batch

    model, batches = _model(bound_share=share), Counted(tiny_batch(DIMS, samples=12), 3)
    model.start_training(batches)
    model.start_epoch(1, batches)
    assert batches.read == expected


def test_entropy_joins_this_batch_with_the_one_before_from_the_third_on() -> None:
    model, batches = _model(), tiny_batches(tiny_batch(DIMS, samples=28), 7)
    model.start_training(batches)
    for epoch in (1, 2):
        model.start_epoch(epoch, batches)
        previous = None
        for place, batch in enumerate(batches):
            output = model(batch)
            entropies = model.entropies(output.features, batch.label)
            for pair, rows in model.projections(output.features).items():
                if place < 2:
                    assert entropies[pair] == 0
                    continue
                label = torch.cat([previous[1], batch.label])
                members = torch.stack([label > 0, label < 0], dim=1).float()
                expected = mixture_entropy(torch.cat([previous[0][pair], rows]), members)
                assert expected != 0
                assert torch.isclose(entropies[pair], expected, rtol=1e-4)
            model.after_step(output, batch)
            previous = model.projections(output.features), batch.label


def test_a_shorter_batch_forgets_all_of_the_longer_one_before() -> None:
    model, batches = _model(), tiny_batches(tiny_batch(DIMS, samples=10), 7)
    model.start_training(batches)
    model.start_epoch(1, batches)
    for batch in batches:
        model.after_step(model(batch), batch)
    assert model.memory_members.sum() == 3


def test_the_memory_is_not_saved() -> None:
    model = _model()
    names = set(model.state_dict())
    model.start_training(tiny_batches(tiny_batch(DIMS)))
    assert set(model.state_dict()) == names


@pytest.mark.parametrize("task", [multiclass("a", "b", "c"), multilabel("a", "b", "c")])
def test_other_tasks_split_by_their_classes(task) -> None:
    dims = replace(DIMS, task=task, outputs=3)
    batch = tiny_batch(dims, samples=9)
    if task.kind == "multilabel":
        batch = replace(batch, label=torch.nn.functional.one_hot(batch.index % 3, 3).float())
    model = _model(dims)
    losses = list(steps(model, tiny_batches(batch, 3), epochs=1))
    assert all(torch.isfinite(loss) for loss in losses)
    assert model.memory_members[:3].tolist() == torch.eye(3).tolist()


@pytest.mark.parametrize("settings", [{"bidirectional": True}, {"vision_audio": True}])
@pytest.mark.parametrize("check", ["missing", "gradients", "padding", "training-only", "state"])
def test_other_forms_keep_the_promises(settings: dict, check: str) -> None:
    entry = get_model("mmim")
    result = run_check(replace(entry, smoke={**entry.smoke, **settings}), check)
    assert result.status == "passed", result.sentence


def test_half_precision_reaches_the_entropy_in_full() -> None:
    model, batches = _model(), tiny_batches(tiny_batch(DIMS, samples=28), 7)
    model.start_training(batches)
    model.start_epoch(1, batches)
    for batch in batches:
        with torch.autocast("cpu", torch.bfloat16):
            output = model(batch)
            loss = model.loss(output, batch)
        loss.backward()
        model.after_step(output, batch)
    assert torch.isfinite(loss)
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
