"""MulT through the fixtures of its authors and of MMSA."""

import torch.nn.functional as F

from baselines.mult import MulT
from benchmark.task import MODALITIES
from tests.parity.harness import Fixture, Result, adapter, load_weights
from tests.parity.sequences import dims_of, full_batch, linear, stored_inputs

LETTERS = {"text": "l", "audio": "a", "vision": "v"}
DROPOUTS = (
    *(f"attention_dropout_{name}" for name in MODALITIES),
    *("relu_dropout", "residual_dropout", "embedding_dropout", "text_dropout", "output_dropout"),
)


@adapter("MulT", "orig")
def orig(fixture: Fixture) -> Result:
    return run(fixture, "orig", "")


@adapter("MulT", "mmsa")
def mmsa(fixture: Fixture) -> Result:
    return run(fixture, "mmsa", "Model.")


def run(fixture: Fixture, variant: str, prefix: str) -> Result:
    configuration = fixture.configuration
    kernels = configuration.get("kernels", [1, 1, 1])
    model = MulT(
        dims_of(fixture),
        width=configuration["d"],
        heads=configuration["heads"],
        layers=configuration["layers"],
        causal=configuration["mask"],
        variant=variant,
        **{f"kernel_{name}": kernel for name, kernel in zip(MODALITIES, kernels, strict=True)},
        **dict.fromkeys(DROPOUTS, 0.0),
    ).eval()
    parameters = load_weights(model, fixture, names(model, prefix))
    output = model(full_batch(fixture))
    label = fixture.input("label")
    if label.is_floating_point():
        loss = F.l1_loss(output.prediction, label)
    else:
        loss = F.cross_entropy(output.prediction.view(-1, 2), label.view(-1))
    return Result(
        model,
        {"prediction": output.prediction, **output.features},
        {"task": loss},
        parameters,
        stored_inputs(fixture),
    )


def names(model: MulT, prefix: str) -> dict[str, str]:
    result = {
        **linear("residual.0", f"{prefix}proj1"),
        **linear("residual.3", f"{prefix}proj2"),
        **linear("head", f"{prefix}out_layer"),
    }
    own = dict(model.named_parameters())
    for place, letter in enumerate(LETTERS.values()):
        if f"projections.{place}.weight" in own:
            result[f"projections.{place}.weight"] = f"{prefix}proj_{letter}.weight"
        result |= encoder(own, f"memories.{place}", f"{prefix}trans_{letter}_mem")
    for target, t in LETTERS.items():
        for source, s in LETTERS.items():
            if source != target:
                crossing = f"crossings.{target}_from_{source}"
                result |= encoder(own, crossing, f"{prefix}trans_{t}_with_{s}")
    return result


def encoder(own: dict, name: str, reference: str) -> dict[str, str]:
    """Names of a cross-modal encoder's weights, of as many layers as it has."""
    result = linear(f"{name}.norm", f"{reference}.layer_norm")
    layer = 0
    while f"{name}.layers.{layer}.wide.weight" in own:
        ours, theirs = f"{name}.layers.{layer}", f"{reference}.layers.{layer}"
        for kind in ("weight", "bias"):
            result[f"{ours}.attention.in_proj_{kind}"] = f"{theirs}.self_attn.in_proj_{kind}"
        result |= linear(f"{ours}.attention.out_proj", f"{theirs}.self_attn.out_proj")
        result |= linear(f"{ours}.norm_attention", f"{theirs}.layer_norms.0")
        result |= linear(f"{ours}.norm_feed_forward", f"{theirs}.layer_norms.1")
        result |= linear(f"{ours}.wide", f"{theirs}.fc1")
        result |= linear(f"{ours}.narrow", f"{theirs}.fc2")
        layer += 1
    return result
