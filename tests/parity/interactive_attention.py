"""Interactive attention against its equations."""

import torch

from baselines.layers.ulgm import FUSION, HEADS
from benchmark.batch import Batch, Stream
from benchmark.model import Model
from benchmark.registry import create_model
from benchmark.task import MODALITIES
from methods.interactive_attention import attend
from tests.parity.harness import Fixture, Result, adapter, load_weights
from tests.parity.self_mm import Samples
from tests.parity.sequences import LSTM_WEIGHTS, dims_of, linear

SEQUENCES = {"text": "bert_hidden", "audio": "audio", "vision": "vision"}
DIRECTIONS = {"forwards": "forward", "backwards": "backward"}


@adapter("interactive attention", "equations")
def equations(fixture: Fixture) -> Result:
    sizes = fixture.configuration
    model = create_model(
        "interactive-attention",
        dims_of(fixture),
        text_pooling="first",
        width=sizes["d"],
        scaled=sizes["scale"] != "1",
        **{f"{name}_hidden": sizes["hidden"][name] for name in ("audio", "vision")},
        **{name: sizes[name] for name in ("value", "bi", "uni", "weight", "detach_weights")},
    )
    parameters = load_weights(model, fixture, _names())
    batch = _batch(fixture)
    model.start_training(Samples(batch))
    labels = [fixture.input("label" if name == FUSION else f"label_{name}") for name in HEADS]
    model.generator.labels.copy_(torch.stack(labels))
    model.train()  # generated labels count in training only; there is no dropout
    output = model(batch)
    losses = model.loss_terms(output, batch)
    total = torch.stack(list(losses.values())).sum()
    outputs = {"prediction": output.prediction, **output.features, **_attention(model, batch)}
    outputs["task_weights"] = torch.stack([losses[name] / total for name in HEADS])
    outputs |= {
        f"sample_weights_{name}": (label - batch.label).abs().tanh()
        for name, label in zip(HEADS, labels, strict=True)
    }
    losses |= {"sum": total, "task": model.loss(output, batch)}
    inputs = {name: fixture.input(name) for name in SEQUENCES.values()}
    return Result(model, outputs, losses, parameters, inputs)


def _batch(fixture: Fixture) -> Batch:
    streams = {}
    for name, stored in SEQUENCES.items():
        values, lengths = fixture.input(stored), fixture.input(f"{name}_lengths")
        streams[name] = Stream(values, torch.arange(values.shape[1]) < lengths.unsqueeze(1))
    label = fixture.input("label")
    return Batch(streams, label=label, index=torch.arange(len(label)))


def _attention(model: Model, batch: Batch) -> dict[str, torch.Tensor]:
    """The weights of every pair: what attention carries from the unit vectors."""
    streams, _ = model._encode(batch)
    found = {}
    for query in MODALITIES:
        for key in MODALITIES:
            steps = streams[key].mask.shape[1]
            unit = torch.eye(steps).expand(len(batch), -1, -1)
            weights = attend(streams[query], streams[key], unit, model.scale)
            valid = streams[query].mask.unsqueeze(2)
            found[f"attention_{query}_{key}"] = weights.values * valid  # (B, Q, K)
    return found


def _names() -> dict[str, str]:
    names = {**linear("fuse", "fuse"), **linear("out", "out")}
    for name in MODALITIES:
        for layer in ("project", "represent", "predict"):
            names |= linear(f"{layer}.{name}", f"{layer}.{name}")
    for name in ("audio", "vision"):
        for ours, theirs in DIRECTIONS.items():
            for kind in LSTM_WEIGHTS:
                names[f"{name}.{ours}.0.{kind}_l0"] = f"{name}.{theirs}.{kind}"
    return names
