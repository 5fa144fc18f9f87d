"""EF-LSTM through the fixtures of the MFN repository and of MMSA."""

import torch.nn.functional as F
from torch import Tensor

from baselines.ef_lstm import EFLSTM
from tests.parity.harness import Fixture, Result, adapter, load_weights
from tests.parity.sequences import LSTM_WEIGHTS, dims_of, full_batch, linear, stored_inputs


@adapter("EF-LSTM", "orig")
def orig(fixture: Fixture) -> Result:
    model = EFLSTM(dims_of(fixture), hidden=fixture.configuration["hidden"], dropout=0.0).eval()
    names = linear("hidden", "fc1") | linear("head", "fc2")
    names |= {f"lstm.forwards.0.{kind}_l0": f"lstm.{kind}" for kind in LSTM_WEIGHTS}
    return run(model, fixture, load_weights(model, fixture, names))


@adapter("EF-LSTM", "mmsa")
def mmsa(fixture: Fixture) -> Result:
    configuration = fixture.configuration
    layers = configuration["layers"]
    model = EFLSTM(
        dims_of(fixture),
        hidden=configuration["hidden"],
        layers=layers,
        dropout=0.0,
        steps=configuration["time"],
        variant="mmsa",
    ).eval()
    names = linear("hidden", "Model.linear") | linear("head", "Model.out")
    names |= {
        f"norm.{kind}": f"Model.norm.{kind}"
        for kind in ("weight", "bias", "running_mean", "running_var")
    }
    names |= {
        f"lstm.forwards.{layer}.{kind}_l0": f"Model.lstm.{kind}_l{layer}"
        for layer in range(layers)
        for kind in LSTM_WEIGHTS
    }
    parameters = load_weights(model, fixture, names)
    result = run(model, fixture, parameters)

    def train() -> Result:
        model.train().zero_grad()
        for tensor in stored_inputs(fixture).values():
            tensor.grad = None
        return run(model, fixture, parameters)

    result.train = train
    return result


def run(model: EFLSTM, fixture: Fixture, parameters: dict[str, Tensor]) -> Result:
    output = model(full_batch(fixture))
    return Result(
        model,
        {"prediction": output.prediction},
        {"task": F.l1_loss(output.prediction, fixture.input("label"))},
        parameters,
        stored_inputs(fixture),
        parameters,
    )
