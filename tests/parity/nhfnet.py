"""NHFNet against the authors' code, mended to run."""

from baselines.nhfnet import NHFNet
from tests.parity.harness import Fixture, Result, adapter, load_weights
from tests.parity.mult import encoder
from tests.parity.sequences import LSTM_WEIGHTS, dims_of, full_batch, linear, stored_inputs

ENCODERS = {
    "audio_visual": "audio_visual_model.transformer",
    "crossing": "cross_transformer",
    "classification": "classifcation",  # so spelled in the reference
}


@adapter("NHFNet", "orig")
def orig(fixture: Fixture) -> Result:
    configuration = fixture.configuration
    model = NHFNet(
        dims_of(fixture),
        width=configuration["d"],
        heads=configuration["heads"],
        layers=configuration["layers"],
        text_hidden=configuration["text_lstm"],
        bottleneck=configuration["bottleneck"],
        attention_dropout=0.0,
        variant="orig",
    ).eval()
    parameters = load_weights(model, fixture, names(model))
    batch = full_batch(fixture)
    output = model(batch)
    return Result(
        model,
        {"prediction": output.prediction, **output.features},
        {"task": model.loss(output, batch)},
        parameters,
        stored_inputs(fixture),
    )


def names(model: NHFNet) -> dict[str, str]:
    own = dict(model.named_parameters())
    found = {
        **linear("audio", "audio_visual_model.audio_linear"),
        **linear("vision", "audio_visual_model.visual_linear"),
        **linear("norm", "layer_norm"),
        **linear("head", "multimodal_classifier.0"),
    }
    for ours, theirs in ENCODERS.items():
        found |= encoder(own, ours, theirs)
    for place in range(len(model.text)):
        for kind in LSTM_WEIGHTS:
            found[f"text.{place}.forwards.0.{kind}_l0"] = f"text_model.{place}.{kind}_l0"
    return found
