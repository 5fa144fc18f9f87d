"""What the adapters of TFN, LMF and LF-DNN share: batches, sizes and names of the subnets."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from benchmark.batch import Batch, Stream
from benchmark.model import Model, Output
from benchmark.registry import create_model
from benchmark.task import Dims, multilabel, regression
from tests.parity.harness import Fixture, Result, load_weights

Feature = str | Callable[[Model, Output], Tensor]
BUFFERS = ("norm.running_mean", "norm.running_var")
SUBNETS = {
    f"subnets.{own}.{block}.{kind}": f"{reference}_subnet.{block_reference}.{kind}"
    for own, reference in (("audio", "audio"), ("vision", "video"))
    for block, block_reference in (
        ("norm", "norm"),
        ("layers.0", "linear_1"),
        ("layers.2", "linear_2"),
        ("layers.4", "linear_3"),
    )
    for kind in ("weight", "bias")
} | {
    "subnets.text.lstm.forwards.0.weight_ih_l0": "text_subnet.rnn.weight_ih_l0",
    "subnets.text.lstm.forwards.0.weight_hh_l0": "text_subnet.rnn.weight_hh_l0",
    "subnets.text.lstm.forwards.0.bias_ih_l0": "text_subnet.rnn.bias_ih_l0",
    "subnets.text.lstm.forwards.0.bias_hh_l0": "text_subnet.rnn.bias_hh_l0",
    "subnets.text.linear.weight": "text_subnet.linear_1.weight",
    "subnets.text.linear.bias": "text_subnet.linear_1.bias",
}
STATISTICS = {
    f"subnets.{own}.{name}": f"{reference}_subnet.{name}"
    for own, reference in (("audio", "audio"), ("vision", "video"))
    for name in BUFFERS
}
HEAD = {
    f"head.{place}.{kind}": f"post_fusion_layer_{number}.{kind}"
    for place, number in ((1, 1), (3, 2), (5, 3))
    for kind in ("weight", "bias")
}


def run(
    fixture: Fixture,
    name: str,
    settings: Mapping[str, Any],
    names: Mapping[str, str],
    *,
    prefix: str = "",
    reduction: str = "mean",
    features: Mapping[str, Feature] | None = None,
    training: bool = False,
) -> Result:
    """Build a model over the shared subnets, load a fixture, run it.

    Args:
        fixture: the golden numbers.
        name: registered name.
        settings: arguments of the constructor besides the subnets' sizes.
        names: our weight -> reference weight above the subnets.
        prefix: of all reference names.
        reduction: of the absolute error.
        features: fixture output -> our feature or what gives it, besides the three vectors.
        training: run in train mode.
    """
    configuration = fixture.configuration
    hidden = configuration["hidden"]
    model = create_model(
        name,
        _dims(configuration),
        text_hidden=hidden["text"],
        audio_hidden=hidden["audio"],
        vision_hidden=hidden["vision"],
        text_outputs=configuration["text_out"],
        dropout=0.0,
        **settings,
    )
    for parameter in model.parameters():
        parameter.requires_grad_(True)  # the fixtures also hold gradients of what a variant freezes
    reference = {own: prefix + other for own, other in {**SUBNETS, **STATISTICS, **names}.items()}
    weights = load_weights(model, fixture, reference)
    return _result(
        model.train(training),
        fixture,
        weights,
        reduction,
        {f"{key}_vector": key for key in ("text", "audio", "vision")} | dict(features or {}),
        lambda: run(
            fixture,
            name,
            settings,
            names,
            prefix=prefix,
            reduction=reduction,
            features=features,
            training=True,
        ),
    )


def _dims(configuration: Mapping[str, Any]) -> Dims:
    outputs = configuration.get("outputs", 1)
    task = (
        regression(-3, 3)
        if outputs == 1
        else multilabel(*(f"output {place}" for place in range(outputs)))
    )
    return Dims(configuration["width"], outputs=outputs, task=task)


def _result(
    model: Model,
    fixture: Fixture,
    weights: Mapping[str, Tensor],
    reduction: str,
    features: Mapping[str, Feature],
    train: Any,
) -> Result:
    label = fixture.input("label")
    output = model(_batch(fixture))
    error = (output.prediction - label).abs()
    return Result(
        model,
        {"prediction": output.prediction}
        | {
            key: output.features[own] if isinstance(own, str) else own(model, output)
            for key, own in features.items()
            if f"output/{key}" in fixture.arrays
        },
        {"task": error.sum() if reduction == "sum" else error.mean()},
        weights,
        {key: fixture.input(key) for key in ("text", "audio", "vision")},
        {key: value for key, value in weights.items() if key.endswith(BUFFERS)},
        train,
    )


def _batch(fixture: Fixture) -> Batch:
    def stream(name: str) -> Stream:
        values = fixture.input(name)
        if values.ndim == 2:  # an average over time already
            values = values.unsqueeze(1)
        return Stream(values, torch.ones(values.shape[:2], dtype=torch.bool))

    label = fixture.input("label")
    return Batch(
        {"text": stream("text"), "audio": stream("audio"), "vision": stream("vision")},
        label,
        torch.arange(len(label)),
    )
