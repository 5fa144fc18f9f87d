"""MISA where no golden numbers reach: its losses at their limits, its variants."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines.layers.losses import central_moment_discrepancy
from baselines.misa import MISA, ReverseGradient, difference_loss
from benchmark.batch import Stream
from benchmark.conformance.promises import run_check
from benchmark.conformance.tiny_data import tiny_batch
from benchmark.registry import get_model
from benchmark.task import Dims
from benchmark.training.predict import predict_batch

DIMS = Dims({"text": 7, "audio": 5, "vision": 9})
SMALL = {"hidden": 8, "feedforward": 12}


def _rows(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_moment_discrepancy_is_the_sum_over_moments() -> None:
    first, second = _rows(0, 9, 3), _rows(1, 6, 3).exp()
    x, y = first.double().numpy(), second.double().numpy()
    gaps = [x.mean(0) - y.mean(0)]
    for order in range(2, 5):
        gaps.append(((x - x.mean(0)) ** order).mean(0) - ((y - y.mean(0)) ** order).mean(0))
    expected = sum(np.linalg.norm(gap) for gap in gaps)
    assert central_moment_discrepancy(first, second, 4).item() == pytest.approx(expected, rel=1e-5)


def test_moment_discrepancy_has_a_gradient_where_it_vanishes() -> None:
    rows = _rows(0, 4, 3).requires_grad_()
    distance = central_moment_discrepancy(rows, rows.detach().clone())
    distance.backward()
    assert distance.item() == pytest.approx(0, abs=1e-5)
    assert rows.grad is not None
    assert torch.isfinite(rows.grad).all()


def test_difference_loss_vanishes_for_uncorrelated_columns_only() -> None:
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    left, right = signs[:, :1], signs[:, 1:]
    assert difference_loss(left, right).item() == pytest.approx(0, abs=1e-9)
    assert difference_loss(left, left).item() == pytest.approx(16, rel=1e-4)


def test_difference_loss_of_one_sample_is_zero() -> None:
    row = _rows(0, 1, 3).requires_grad_()
    difference_loss(row, _rows(1, 1, 3)).backward()
    assert row.grad is not None
    assert torch.equal(row.grad, torch.zeros(1, 3))


def test_the_gradient_is_reversed_and_scaled() -> None:
    values = _rows(0, 2, 3).requires_grad_()
    reversed_values = ReverseGradient.apply(values, 0.5)
    assert torch.equal(reversed_values, values)
    (3 * reversed_values).sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad, torch.full((2, 3), -1.5))


@pytest.mark.parametrize(
    "settings", [{"similarity": "adversarial"}, {"text_pooling": "lstm"}, {"objective": "absolute"}]
)
@pytest.mark.parametrize("check", ["missing", "gradients", "padding", "training-only"])
def test_other_forms_keep_the_promises(settings: dict, check: str) -> None:
    entry = get_model("misa")
    result = run_check(replace(entry, smoke={**entry.smoke, **settings}), check)
    assert result.status == "passed", result.sentence


def test_only_the_literal_variant_cuts_streams_at_the_text() -> None:
    batch = tiny_batch(DIMS)
    audio = batch.audio
    beyond = torch.arange(audio.mask.shape[1]) >= batch.text.lengths[:, None]
    later = (beyond & audio.mask).unsqueeze(-1)
    changed = batch.with_stream("audio", Stream(audio.values + later, audio.mask))
    moved = {}
    for variant in ("paper", "mmsa"):
        torch.manual_seed(0)
        model = MISA(DIMS, text_pooling="mean", variant=variant, **SMALL)
        moved[variant] = (
            (predict_batch(model, changed) - predict_batch(model, batch)).abs().max().item()
        )
    assert later.any()
    assert moved["mmsa"] == 0
    assert moved["paper"] > 1e-5


def test_recurrent_matrices_start_orthogonal() -> None:
    model = MISA(DIMS, **SMALL)
    matrices = {n: p for n, p in model.named_parameters() if "weight_hh" in n}
    assert len(matrices) == 3 * 2 * 2  # modalities, layers, directions
    for matrix in matrices.values():
        assert torch.allclose(matrix.T @ matrix, torch.eye(matrix.shape[1]), atol=1e-5)


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    weights = {"similarity": 0.7, "difference": 0.2, "reconstruction": 0.4}
    model = MISA(DIMS, **SMALL, **{f"{name}_weight": weight for name, weight in weights.items()})
    batch = tiny_batch(DIMS)
    output = model.eval()(batch)
    terms = model.loss_terms(output, batch)
    expected = terms["prediction"] + sum(weights[name] * terms[name] for name in weights)
    assert torch.isclose(model.loss(output, batch), expected)
    error = output.prediction - batch.label
    assert torch.isclose(terms["prediction"], error.square().mean())
