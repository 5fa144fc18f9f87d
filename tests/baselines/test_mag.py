"""Audio and vision beside tokens, and the gate between the layers of real encoders."""

from dataclasses import replace

import pytest
import torch

from baselines.layers.mag import beside_tokens
from baselines.mag_bert import MAGBERT
from baselines.mag_xlnet import MAGXLNet, last_place
from benchmark.batch import Batch, Stream
from benchmark.errors import UserError
from benchmark.task import Dims

DIMS = Dims({"text": 2, "audio": 1, "vision": 1}, vocabulary=20)
SCRATCH = {"text_encoder": "scratch"}


def _batch(audio: list[list[float]], words: list[int]) -> Batch:
    """One sample for each row of audio, all with the same tokens; the vision has one step."""
    longest = max(len(row) for row in audio)
    values = (
        torch.tensor([[*row, *[0.0] * (longest - len(row))] for row in audio]).float().unsqueeze(2)
    )
    mask = torch.arange(longest) < torch.tensor([len(row) for row in audio]).unsqueeze(1)
    samples, tokens = len(audio), len(words)
    count = max(words) + 1
    one = Stream(torch.ones(samples, 1, 1), torch.ones(samples, 1, dtype=torch.bool))
    return Batch(
        {
            "text": Stream(
                torch.ones(samples, count, 2), torch.ones(samples, count, dtype=torch.bool)
            ),
            "audio": Stream(values, mask),
            "vision": one,
        },
        label=torch.zeros(samples),
        index=torch.arange(samples),
        token_ids=torch.arange(5, 5 + tokens).expand(samples, -1),
        token_mask=torch.ones(samples, tokens, dtype=torch.bool),
        token_words=torch.tensor(words).expand(samples, -1),
    )


def test_a_word_gives_its_row_to_all_its_tokens_and_marks_get_none() -> None:
    batch = _batch([[1, 2, 3]], [-1, 0, 1, 1, 2, -1])
    rows = beside_tokens(batch, batch.audio, batch.token_mask)
    assert rows.flatten().tolist() == [0, 1, 2, 2, 3, 0]


def test_other_clocks_are_averaged_sample_by_sample() -> None:
    batch = _batch([[1, 2, 3], [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]], [-1, 0, 1, 1, 2, -1])
    rows = beside_tokens(batch, batch.audio, batch.token_mask).squeeze(2)
    assert rows.tolist() == [[0, 1, 2, 2, 3, 0], [1, 2, 3, 4, 5, 6]]
    assert beside_tokens(batch, batch.vision, batch.token_mask).flatten().tolist() == [1] * 12


def test_cut_tokens_keep_their_words() -> None:
    batch = _batch([[1, 2, 3, 4]], [-1, 0, 1, -1])
    text = Stream(torch.ones(1, 4, 2), torch.ones(1, 4, dtype=torch.bool))
    rows = beside_tokens(batch.with_stream("text", text), batch.audio, batch.token_mask)
    assert rows.flatten().tolist() == [0, 1, 2, 0]


def test_a_missing_text_says_nothing_and_audio_is_still_heard() -> None:
    torch.manual_seed(0)
    batch = _batch([[1, 2, 3]], [-1, 0, 1, -1])
    other = replace(batch, token_ids=batch.token_ids + 3)
    louder = batch.with_stream("audio", Stream(batch.audio.values * 2, batch.audio.mask))
    for model in (MAGBERT(DIMS, **SCRATCH).eval(), MAGXLNet(DIMS, **SCRATCH).eval()):
        silent = model(batch.without("text")).prediction
        assert torch.equal(silent, model(other.without("text")).prediction)
        assert not torch.equal(silent, model(louder.without("text")).prediction)


def test_a_closed_gate_leaves_bert_as_it_was() -> None:
    torch.manual_seed(0)
    model = MAGBERT(DIMS, **SCRATCH, beta=0.0).eval()
    model.gate.norm = torch.nn.Identity()
    batch = _batch([[1, 2, 3], [2, 1, 0]], [-1, 0, 1, 2, -1])
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    batch = replace(batch, token_mask=mask)
    _, states = model._encode(batch)
    expected = model.encoder(batch).values
    assert torch.allclose(states * mask.unsqueeze(-1), expected, atol=1e-6)


def test_padding_side_does_not_matter_to_xlnet() -> None:
    assert last_place(torch.tensor([[True, True, False], [False, True, True]])).tolist() == [1, 2]


def test_xlnet_wants_the_layer_of_its_gate() -> None:
    with pytest.raises(UserError, match="injection 2"):
        MAGXLNet(DIMS, **SCRATCH, encoder_layers=2, injection=2)
