"""MORAH against the authors' code."""

from baselines.morah import MORAH
from tests.parity.graph_cage import dims_of, load, result, settings
from tests.parity.harness import Fixture, Result, adapter
from tests.parity.sequences import full_batch


@adapter("MORAH", "orig")
def orig(fixture: Fixture) -> Result:
    configuration = fixture.configuration
    model = MORAH(
        dims_of(fixture),
        **settings(fixture),
        propagations=configuration["propagation_layers"],
        neighbours=configuration["k2"],
        dropout=0.0,
        variant="orig",
    ).eval()
    parameters = load(model, fixture)
    output = model(full_batch(fixture))
    outputs = dict(output.features)
    # The reference lists all text, all audio, all vision nodes; ours come sample by sample.
    outputs["nodes"] = outputs["nodes"].transpose(0, 1).flatten(0, 1)  # (3B, 2c)
    outputs["propagation_matrix"] = outputs["exchange"].repeat(3, 3) / 3  # (3B, 3B)
    return result(fixture, model, output, outputs, parameters)
