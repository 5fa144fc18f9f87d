"""MAG-BERT, MAG-XLNet and their gate against the authors' code and MMSA."""

from typing import Any

import torch
from transformers import BertConfig, BertModel, XLNetConfig, XLNetModel

from baselines.layers.mag import AdaptationGate
from benchmark.batch import Batch, Stream
from benchmark.model import Model
from benchmark.registry import create_model
from benchmark.task import Dims
from tests.parity.harness import Fixture, Result, adapter, load_weights

GATE = {
    "vision_gate": "W_hv",
    "audio_gate": "W_ha",
    "vision_map": "W_v",
    "audio_map": "W_a",
    "norm": "LayerNorm",
}


@adapter("MAG gate", "orig")
def gate(fixture: Fixture) -> Result:
    sizes = fixture.configuration
    width = sizes["width"]
    model = AdaptationGate(
        width["text"], width["audio"], width["vision"], beta=sizes["beta"], dropout=0.0
    )
    parameters = load_weights(model, fixture, _gate_names("", ""))
    inputs = {name: fixture.input(name) for name in ("text", "audio", "vision")}
    prediction = model(**inputs)
    outputs = {"prediction": prediction, "shifted": model.shift(**inputs)}
    losses = {"task": (prediction * fixture.input("cotangent")).sum()}
    return Result(model, outputs, losses, parameters, inputs)


@adapter("MAG-BERT", "mmsa")
def mag_bert_mmsa(fixture: Fixture) -> Result:
    return _mag_bert(fixture, "mmsa", "model.")


@adapter("MAG-BERT", "orig")
def mag_bert_orig(fixture: Fixture) -> Result:
    return _mag_bert(fixture, "paper", "")


@adapter("MAG-XLNet", "orig")
def mag_xlnet(fixture: Fixture) -> Result:
    sizes = fixture.configuration
    model = _create("mag-xlnet", fixture, injection=sizes["injection"])
    model.encoder.model = XLNetModel(
        XLNetConfig(
            vocab_size=sizes["vocabulary"],
            d_model=sizes["width"]["text"],
            n_layer=sizes["layers"],
            n_head=sizes["heads"],
            d_inner=sizes["ffn"],
            dropout=0.0,
        )
    )
    del model.encoder.model.mask_emb
    names = {
        name: f"transformer.{name.removeprefix('encoder.model.')}"
        for name, _ in model.named_parameters()
        if name.startswith("encoder.model.")
    }
    names |= _gate_names("gate.", "transformer.MAG.")
    names |= _linear("summary", "sequence_summary.summary") | _linear("out", "logits_proj")
    result = _run(model, fixture, names)
    result.outputs = {**result.outputs, "gate": result.outputs["gate"].transpose(0, 1)}
    result.parameters = {**result.parameters, "transformer.mask_emb": lambda: 0.0}
    return result


def _mag_bert(fixture: Fixture, variant: str, prefix: str) -> Result:
    sizes = fixture.configuration
    model = _create("mag-bert", fixture, variant=variant)
    model.encoder.model = BertModel(
        BertConfig(
            vocab_size=sizes["vocabulary"],
            hidden_size=sizes["width"]["text"],
            num_hidden_layers=sizes["layers"],
            num_attention_heads=sizes["heads"],
            intermediate_size=sizes["ffn"],
            max_position_embeddings=sizes["positions"],
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        ),
        add_pooling_layer=False,
    )
    names = {
        name: f"{prefix}bert.{name.removeprefix('encoder.model.')}"
        for name, _ in model.named_parameters()
        if name.startswith("encoder.model.")
    }
    names |= _gate_names("gate.", f"{prefix}bert.MAG.")
    names |= _linear("pooler", f"{prefix}bert.pooler.dense")
    names |= _linear("out", f"{prefix}classifier")
    return _run(model, fixture, names)


def _create(name: str, fixture: Fixture, **settings: Any) -> Model:
    sizes = fixture.configuration
    width = sizes["width"]
    return create_model(
        name,
        Dims(
            {"text": width["text"], "audio": width["audio"], "vision": width["vision"]},
            vocabulary=sizes["vocabulary"],
        ),
        text_encoder="scratch",
        encoder_hidden=width["text"],
        encoder_layers=sizes["layers"],
        encoder_heads=sizes["heads"],
        beta=sizes["beta"],
        gate_dropout=0.0,
        head_dropout=0.0,
        alignment="words",
        **settings,
    )


def _run(model: Model, fixture: Fixture, names: dict[str, str]) -> Result:
    parameters = load_weights(model, fixture, names)
    batch = _batch(fixture)
    model.eval()
    output = model(batch)
    outputs = {"prediction": output.prediction, "gate": output.features["gate"]}
    inputs = {name: batch.modalities[name].values for name in ("audio", "vision")}
    return Result(model, outputs, {"task": model.loss(output, batch)}, parameters, inputs)


def _batch(fixture: Fixture) -> Batch:
    """Every token, padding too, has the row of its own place, as the stored arrays have."""
    ids, mask, _ = fixture.input("text_bert").unbind(dim=1)
    mask = mask > 0
    label = fixture.input("label")
    words = torch.arange(mask.shape[1]).expand_as(mask)
    return Batch(
        {
            "text": Stream(torch.zeros(*mask.shape, fixture.configuration["width"]["text"]), mask),
            "audio": Stream(fixture.input("audio"), mask),
            "vision": Stream(fixture.input("vision"), mask),
        },
        label=label,
        index=torch.arange(len(label)),
        token_ids=ids.long(),
        token_mask=mask,
        token_words=words,
    )


def _gate_names(ours: str, theirs: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for own, reference in GATE.items():
        names |= _linear(f"{ours}{own}", f"{theirs}{reference}")
    return names


def _linear(ours: str, theirs: str) -> dict[str, str]:
    return {f"{ours}.{kind}": f"{theirs}.{kind}" for kind in ("weight", "bias")}
