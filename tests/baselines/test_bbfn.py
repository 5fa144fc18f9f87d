"""BBFN: what trains of a pretrained encoder, and what gates and discriminators see."""

import pytest
import torch

from baselines.bbfn import BBFN, freeze_below
from baselines.layers.text import TextEncoder
from benchmark.batch import Batch
from benchmark.conformance.tiny_data import build, tiny_batch, tiny_dims
from benchmark.registry import get_model


@pytest.mark.parametrize(("trained", "frozen"), [(1, {0, 1, 2}), (3, {0}), (4, set()), (9, set())])
def test_lower_layers_are_frozen(trained: int, frozen: set[int]) -> None:
    encoder = TextEncoder(tiny_dims(BBFN), "scratch", hidden=8, layers=4, heads=2)
    freeze_below(encoder, trained)
    for name, parameter in encoder.named_parameters():
        layer = int(name.split(".layer.")[1].split(".")[0]) if ".layer." in name else None
        assert parameter.requires_grad == (layer not in frozen), name


@pytest.fixture
def batch() -> Batch:
    return tiny_batch(tiny_dims(BBFN))


@pytest.fixture
def model() -> BBFN:
    model = build(get_model("bbfn"), tiny_dims(BBFN)).eval()
    assert isinstance(model, BBFN)
    return model


def test_domains_are_text_and_partner_of_each_level(model: BBFN, batch: Batch) -> None:
    domain = model(batch).features["domain"]
    assert domain.shape == (4, 2, len(batch), 8)  # two stacks of two levels
    silent = model(batch.without("audio")).features["domain"]
    torch.testing.assert_close(silent[0, 0], domain[0, 0])  # text that has not read audio yet
    torch.testing.assert_close(silent[2:], domain[2:])  # the stack of text and vision
    assert not torch.allclose(silent[0, 1], domain[0, 1])
    assert not torch.allclose(silent[1, 0], domain[1, 0])


def test_a_better_discriminator_costs_less(model: BBFN, batch: Batch) -> None:
    output = model(batch)
    chance = model.loss_terms(output, batch)["discriminator"].item()
    assert model.loss(output, batch).item() == pytest.approx(
        model.loss_terms(output, batch)["prediction"].item() + 0.1 * chance
    )
    domain = output.features["domain"]
    for place, discriminator in enumerate(model.discriminators):
        gap = (domain[place, 1] - domain[place, 0]).mean(dim=0).detach()
        middle = domain[place].mean(dim=(0, 1)).detach()
        with torch.no_grad():  # a plane between the two means, through two opposite units
            for parameter in discriminator.parameters():
                parameter.zero_()
            discriminator[0].weight[0], discriminator[0].weight[1] = gap, -gap
            discriminator[0].bias[0], discriminator[0].bias[1] = -gap @ middle, gap @ middle
            discriminator[2].weight[0, 0], discriminator[2].weight[0, 1] = 1.0, -1.0
    assert model.loss_terms(output, batch)["discriminator"].item() < chance
