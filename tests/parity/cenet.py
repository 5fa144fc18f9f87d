"""CENET against MMSA."""

import torch
from transformers import BertConfig, BertModel

from benchmark.batch import Batch, Stream
from benchmark.registry import create_model
from benchmark.task import Dims
from tests.parity.harness import Fixture, Result, adapter, load_weights
from tests.parity.sequences import linear

UNUSED = ("senti_embeddings", "pos_tag_embeddings", "polarity_embeddings")
STREAMS = {"vision": ("visual", "hv"), "audio": ("acoustic", "ha")}


@adapter("CENET", "mmsa")
def cenet(fixture: Fixture) -> Result:
    sizes = fixture.configuration
    model = create_model(
        "cenet",
        Dims(sizes["width"], vocabulary=sizes["vocabulary"]),
        text_encoder="scratch",
        encoder_hidden=sizes["width"]["text"],
        encoder_layers=sizes["layers"],
        encoder_heads=sizes["heads"],
        variant="mmsa",
    )
    config = BertConfig(
        vocab_size=sizes["vocabulary"],
        hidden_size=sizes["width"]["text"],
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"],
        intermediate_size=sizes["ffn"],
        max_position_embeddings=sizes["positions"],
    )
    model.encoder.model = BertModel(config, add_pooling_layer=False)
    model.encoder.model.embeddings.requires_grad_(False)
    model.eval()
    parameters = load_weights(model, fixture, _names(model))
    batch = _batch(fixture)
    output = model(batch)
    outputs = {"prediction": output.prediction, **output.features}
    inputs = {name: batch.modalities[name].values for name in STREAMS}
    for name in fixture.arrays:
        weight = name.removeprefix("grad/")
        if weight.startswith("bert.pooler") or any(part in weight for part in UNUSED):
            parameters[weight] = lambda: torch.zeros(())
    return Result(model, outputs, {"task": model.loss(output, batch)}, parameters, inputs)


def _batch(fixture: Fixture) -> Batch:
    ids, mask, _ = fixture.input("text_bert").unbind(dim=1)
    mask = mask > 0
    streams = {}
    for name in STREAMS:
        values = fixture.input(name)
        streams[name] = Stream(values, torch.ones(values.shape[:2], dtype=torch.bool))
    text = Stream(torch.zeros(*mask.shape, fixture.configuration["width"]["text"]), mask)
    label = fixture.input("label")
    return Batch(
        {"text": text, **streams},
        label=label,
        index=torch.arange(len(label)),
        token_ids=ids.long(),
        token_mask=mask,
    )


def _names(model: torch.nn.Module) -> dict[str, str]:
    prefix = "encoder.model."
    names = {
        name: f"bert.{name.removeprefix(prefix)}"
        for name, _ in model.named_parameters()
        if name.startswith(prefix)
    }
    for name, (transform, reader) in STREAMS.items():
        for layer in (0, 2):
            ours = f"enhancement.transforms.{name}.{layer}"
            names |= linear(ours, f"bert.encoder.CE.{transform}_transform.{layer}")
        for kind in ("query", "key", "value"):
            ours = f"enhancement.readers.{name}.{kind}"
            names |= linear(ours, f"bert.encoder.CE.{reader}.W{kind[0]}")
    names |= linear("enhancement.shift", "bert.encoder.CE.cat_connect")
    return names | linear("hidden", "classifier.dense") | linear("out", "classifier.out_proj")
