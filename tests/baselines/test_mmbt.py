"""MMBT: the sequence it builds, the marks it learns of, the freezing of a pretrained BERT."""

from dataclasses import replace

import pytest
import torch
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

from baselines.mmbt import MMBT
from benchmark.batch import Batch
from benchmark.conformance.tiny_data import tiny_batch, tiny_batches, tiny_dims
from benchmark.errors import UserError
from benchmark.task import Dims

TINY = {
    **{"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2},
    **{"intermediate_size": 16, "max_position_embeddings": 40},
}
SMALL = {"text_encoder": "scratch", "encoder_hidden": 8, "encoder_layers": 1, "encoder_heads": 2}


@pytest.fixture
def batch() -> Batch:
    return tiny_batch(tiny_dims(MMBT))


def build(**settings: object) -> MMBT:
    torch.manual_seed(0)
    return MMBT(tiny_dims(MMBT), **{**SMALL, **settings}).eval()


def test_the_sequence_is_audio_vision_text_with_positions_of_their_own(batch: Batch) -> None:
    model, seen = build(frames=4), {}

    def record(module: torch.nn.Module, args: tuple, kwargs: dict) -> None:
        seen.update(kwargs)

    model.encoder.model.embeddings.register_forward_pre_hook(record, with_kwargs=True)
    batch = batch.select(torch.tensor([0]))  # all lengths full
    model(batch)
    assert seen["position_ids"].tolist() == [[0, 1, 2, 3, 4, 5] * 2 + list(range(8))]
    assert seen["token_type_ids"].tolist() == [[0] * 12 + [1] * 8]
    words = model.encoder.model.embeddings.word_embeddings.weight
    for place, token in ((0, 2), (5, 3), (6, 2), (11, 3), (12, batch.token_ids[0, 0])):
        assert torch.equal(seen["inputs_embeds"][0, place], words[token])
    window = batch.audio.values[0, 0:3].mean(0)  # 11 frames in 4 windows
    torch.testing.assert_close(seen["inputs_embeds"][0, 1], model.maps["audio"](window))


def test_the_end_mark_follows_the_last_valid_frame(batch: Batch) -> None:
    model = build()
    segment = model._frames("audio", batch.audio, 20, 0)
    lengths = batch.audio.lengths
    assert torch.equal(segment.places[:, -1], lengths + 1)
    assert torch.equal(segment.mask.sum(1), lengths + 2)
    gone = model._frames("audio", batch.without("audio").audio, 20, 0)
    assert not gone.mask.any()


def test_marks_come_from_the_training_split(batch: Batch) -> None:
    model = build()
    ids = batch.token_ids.clone()
    ids[ids == 2], ids[ids == 3] = 7, 9
    missing = replace(batch, token_ids=ids, token_mask=batch.token_mask.clone())
    missing.token_mask[0] = False
    model.start_training(tiny_batches(missing))
    assert model.marks.tolist() == [7, 9]


def test_a_missing_text_says_nothing(batch: Batch) -> None:
    model = build()
    other = replace(batch, token_ids=(batch.token_ids + 1) % 20).without("text")
    assert torch.equal(model(batch.without("text")).prediction, model(other).prediction)


def save(model: torch.nn.Module, folder: object) -> str:
    model.save_pretrained(folder)
    return str(folder)


def test_a_pretrained_encoder_is_frozen_at_first(batch: Batch, tmp_path) -> None:
    folder = save(BertModel(BertConfig(**TINY)), tmp_path)
    model = build(text_encoder=folder, freeze_epochs=2)
    for epoch, trains in ((1, False), (2, False), (3, True)):
        model.start_epoch(epoch, tiny_batches(batch))
        assert all(value.requires_grad is trains for value in model.encoder.parameters())
        assert all(value.requires_grad for value in model.maps.parameters())
    with pytest.raises(UserError, match=r"frames=39 .* 40 positions; set frames to 1 \.\.\. 38"):
        build(text_encoder=folder, frames=39)


def test_an_encoder_of_another_family_is_refused(tmp_path) -> None:
    folder = save(RobertaModel(RobertaConfig(**TINY)), tmp_path)
    with pytest.raises(UserError, match="is of the type roberta; give an encoder of the type bert"):
        build(text_encoder=folder)


def test_a_text_without_tokens_is_the_third_segment() -> None:
    dims = Dims({"text": 7, "audio": 5, "vision": 9})
    model = MMBT(dims, **{**SMALL, "text_encoder": "auto"}).eval()
    assert model.text_input == "features"
    assert list(model.maps) == ["audio", "vision", "text"]
    batch = tiny_batch(dims)
    assert not torch.equal(
        model(batch).prediction,
        model(batch.with_stream("text", replace(batch.text, values=-batch.text.values))).prediction,
    )
