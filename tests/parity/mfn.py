"""MFN through the fixtures of its authors and of MMSA."""

import torch.nn.functional as F

from baselines.mfn import MFN
from benchmark.task import MODALITIES
from tests.parity.harness import Fixture, Result, adapter, load_weights
from tests.parity.sequences import LSTM_WEIGHTS, dims_of, full_batch, linear, stored_inputs


@adapter("MFN", "orig")
def orig(fixture: Fixture) -> Result:
    return run(fixture, "orig", "")


@adapter("MFN", "mmsa")
def mmsa(fixture: Fixture) -> Result:
    """Averaging audio and vision is the loader's part there: it is done where they have one step.

    Sequences of full length pin the recurrence alone, which all variants share.
    """
    averaged = fixture.configuration["time_audio"] == 1
    return run(fixture, "mmsa" if averaged else "orig", "Model.")


def run(fixture: Fixture, variant: str, prefix: str) -> Result:
    configuration = fixture.configuration
    model = MFN(
        dims_of(fixture),
        variant=variant,
        memory=configuration["memory"],
        attention=configuration["nn1"],
        proposal=configuration["nn2"],
        retain=configuration["gamma1"],
        update=configuration["gamma2"],
        out=configuration["out"],
        **{f"hidden_{name}": configuration["hidden"][name] for name in MODALITIES},
    ).eval()
    names = {
        **linear("attention.0", f"{prefix}att1_fc1"),
        **linear("attention.3", f"{prefix}att1_fc2"),
        **shared_names(prefix),
    }
    parameters = load_weights(model, fixture, names)
    output = model(full_batch(fixture))
    return Result(
        model,
        {"prediction": output.prediction, **output.features},
        {"task": F.l1_loss(output.prediction, fixture.input("label"))},
        parameters,
        stored_inputs(fixture),
    )


def shared_names(prefix: str) -> dict[str, str]:
    """What MFN and Graph-MFN call alike."""
    names = {
        f"lstms.{place}.{kind}_l0": f"{prefix}lstm_{letter}.{kind}"
        for place, letter in enumerate("lav")
        for kind in LSTM_WEIGHTS
    }
    for own, reference in (
        ("proposal.0", "att2_fc1"),
        ("proposal.3", "att2_fc2"),
        ("memory.retain_hidden", "gamma1_fc1"),
        ("memory.retain_gate", "gamma1_fc2"),
        ("memory.update_hidden", "gamma2_fc1"),
        ("memory.update_gate", "gamma2_fc2"),
        ("head.0", "out_fc1"),
        ("head.3", "out_fc2"),
    ):
        names |= linear(own, f"{prefix}{reference}")
    return names
