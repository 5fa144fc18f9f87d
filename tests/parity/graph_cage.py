"""GraphCAGE against its authors' code, and the weight names that it shares with MORAH."""

import torch
from torch import Tensor, nn

from baselines.graph_cage import GraphCAGE
from baselines.layers.graph_capsules import GraphCapsules
from benchmark.model import Model, Output
from benchmark.task import Dims
from tests.parity.harness import Fixture, Result, adapter
from tests.parity.mult import LETTERS, encoder
from tests.parity.sequences import full_batch, linear, stored_inputs

DROPOUTS = ("attention_dropout", "relu_dropout", "residual_dropout", "embedding_dropout")
# Layers of the encoder and its heads, fixed in the reference.
HEADS, LAYERS = 5, 5


@adapter("GraphCAGE", "orig")
def orig(fixture: Fixture) -> Result:
    model = GraphCAGE(
        dims_of(fixture), **settings(fixture), output_dropout=0.0, variant="orig"
    ).eval()
    parameters = load(model, fixture)
    output = model(full_batch(fixture))
    return result(fixture, model, output, dict(output.features), parameters)


def dims_of(fixture: Fixture) -> Dims:
    configuration = fixture.configuration
    return Dims(
        configuration["width"],
        outputs=configuration["outputs"],
        lengths=configuration["time"],
    )


def settings(fixture: Fixture) -> dict:
    configuration = fixture.configuration
    return {
        "width": configuration["d"],
        "heads": HEADS,
        "layers": LAYERS,
        "vertices": configuration["vertices"],
        "capsule": configuration["capsule"],
        "routing": configuration["routing"],
        "vote_penalty": configuration["lambda"],
        **dict.fromkeys(DROPOUTS, 0.0),
    }


def load(model: nn.Module, fixture: Fixture) -> dict[str, Tensor]:
    """Copy the weights; vote maps and 1x1 convolutions have another layout, not another norm."""
    own = dict(model.named_parameters())
    found = names(own)
    assert set(found) == set(own), set(own) ^ set(found)
    with torch.no_grad():
        for name, reference in found.items():
            weight = fixture.weight(reference)
            if reference.startswith("StoG.W_"):
                weight = weight.permute(0, 2, 1, 3)  # (T, n, 2d, c) to (T, 2d, n, c)
            elif weight.ndim == 3 and own[name].ndim == 2:
                weight = weight.squeeze(2)  # a convolution of width 1
            assert own[name].shape == weight.shape, (name, own[name].shape, weight.shape)
            own[name].copy_(weight)
    return {reference: own[name] for name, reference in found.items()}


def names(own: dict[str, Tensor]) -> dict[str, str]:
    encoders, aggregate = "CrossmodalTransformer", "GraphAggregate"
    found = {
        **linear("head.layers.0", "fc1"),
        **linear("head.layers.3", "fc2"),
        **linear("capsules.layers.0.convolution", f"{aggregate}.conv1d_fir"),
        **linear("capsules.layers.1.convolution", f"{aggregate}.conv1d_sec"),
    }
    for place, number in enumerate(("fir", "sec")):
        found[f"capsules.layers.{place}.weight"] = f"{aggregate}.Wo_{number}"
        found[f"capsules.poolings.{place}.maps"] = f"{aggregate}.W_{number}_pc"
    for place, (name, letter) in enumerate(LETTERS.items()):
        if f"capsules.pairs.projections.{place}.weight" in own:
            reference = f"{encoders}.proj_{letter}.weight"
            found[f"capsules.pairs.projections.{place}.weight"] = reference
        initial = name[0]  # votes and adjacencies are named t, a, v, encoders l, a, v
        found[f"capsules.votes.{name}.maps"] = f"StoG.W_{initial}pc"
        found[f"capsules.adjacencies.{name}.query"] = f"StoG.WQ{initial}"
        found[f"capsules.adjacencies.{name}.key"] = f"StoG.WK{initial}"
        for source, other in LETTERS.items():
            if source != name:
                crossing = f"capsules.pairs.crossings.{name}_from_{source}"
                found |= encoder(own, crossing, f"{encoders}.trans_{letter}_with_{other}")
    return found


def result(
    fixture: Fixture,
    model: Model,
    output: Output,
    outputs: dict[str, Tensor],
    parameters: dict[str, Tensor],
) -> Result:
    batch = full_batch(fixture)
    capsules = model.capsules
    assert isinstance(capsules, GraphCapsules)
    return Result(
        model,
        {"prediction": output.prediction, **outputs},
        {
            "prediction": model.task.loss(output.prediction, batch.label),
            "regularisation": capsules.penalty(),
            "task": model.loss(output, batch),
        },
        parameters,
        stored_inputs(fixture),
    )
