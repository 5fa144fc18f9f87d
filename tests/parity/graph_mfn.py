"""Graph-MFN through the fixture of MMSA."""

import torch.nn.functional as F

from baselines.graph_mfn import GraphMFN
from benchmark.task import MODALITIES
from tests.parity.harness import Fixture, Result, adapter, load_weights
from tests.parity.mfn import shared_names
from tests.parity.sequences import dims_of, full_batch, linear, stored_inputs


@adapter("Graph-MFN", "mmsa")
def mmsa(fixture: Fixture) -> Result:
    configuration = fixture.configuration
    model = GraphMFN(
        dims_of(fixture),
        memory=configuration["memory"],
        node=configuration["node"],
        proposal=configuration["nn"],
        retain=configuration["gamma1"],
        update=configuration["gamma2"],
        out=configuration["out"],
        **{f"hidden_{name}": configuration["hidden"][name] for name in MODALITIES},
    ).eval()
    graph = "Model.graph_mfn"
    names = shared_names("Model.") | linear("graph.efficacies.1", f"{graph}.efficacy_model.2")
    for place, letter in enumerate("lav"):
        names |= linear(f"vertices.{place}", f"Model.{letter}_transform")
    # The reference ends its efficacies in three linear maps, two of them in an inner container.
    for own, reference in (
        ("efficacies.0", "efficacy_model"),
        ("pairs.0", "networks[0,1]"),
        ("pairs.1", "networks[0,2]"),
        ("pairs.2", "networks[1,2]"),
        ("triple", "networks[0,1,2]"),
        ("output", "t_network"),
    ):
        names |= linear(f"graph.{own}.0", f"{graph}.{reference}.0")
        names |= linear(f"graph.{own}.1", f"{graph}.{reference}.1.0")
    parameters = load_weights(model, fixture, names)
    output = model(full_batch(fixture))
    return Result(
        model,
        {"prediction": output.prediction, **output.features},
        {"task": F.l1_loss(output.prediction, fixture.input("label"))},
        parameters,
        stored_inputs(fixture),
    )
