"""The two alignment blocks, average pooling and CTC, through their fixtures."""

import torch
from torch import nn

from baselines.layers.align import align_mmsa
from baselines.layers.ctc import CTCAlignment, ctc_loss
from benchmark.batch import Stream
from tests.parity.harness import Fixture, Result, adapter, load_weights
from tests.parity.sequences import LSTM_WEIGHTS


@adapter("alignment by average pooling", "mmsa")
def pooling(fixture: Fixture) -> Result:
    configuration = fixture.configuration
    outputs = {
        f"aligned{place}": align_mmsa(fixture.input(f"x{place}"), configuration["target"])
        for place in range(len(configuration["times"]))
    }
    return Result(nn.Identity(), outputs)


@adapter("CTC alignment module", "orig")
def ctc(fixture: Fixture) -> Result:
    configuration = fixture.configuration
    model = CTCAlignment(configuration["width"], configuration["target"]).eval()
    names = {
        f"predictor.{kind}_l{layer}": f"pred_output_position_inclu_blank.{kind}_l{layer}"
        for layer in range(2)
        for kind in LSTM_WEIGHTS
    }
    parameters = load_weights(model, fixture, names)
    audio = fixture.input("audio")
    stream = Stream(audio, torch.ones(audio.shape[:2], dtype=torch.bool))
    aligned, logits = model(stream)
    loss = ctc_loss(logits, stream.lengths, torch.full((len(audio),), configuration["target"]))
    task = loss + (aligned * fixture.input("cotangent")).sum()
    return Result(
        model,
        {"aligned": aligned, "logits": logits},
        {"ctc": loss, "task": task},
        parameters,
        {"audio": audio},
    )
