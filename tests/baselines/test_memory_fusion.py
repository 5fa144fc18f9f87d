"""MFN, Graph-MFN and EF-LSTM: what was taken off their loops, and their variants."""

import pytest
import torch
from torch import nn

from baselines.ef_lstm import EFLSTM
from baselines.layers.memory import GatedMemory, with_previous
from baselines.mfn import MFN, _cells, run_with_cells
from benchmark.batch import Batch, Stream
from benchmark.errors import UserError
from benchmark.task import MODALITIES, Dims

DIMS = Dims({"text": 4, "audio": 3, "vision": 5})


def make_batch(steps: int = 6) -> Batch:
    generator = torch.Generator().manual_seed(0)
    streams = [
        Stream(
            torch.randn(3, steps, width, generator=generator),
            torch.ones(3, steps, dtype=torch.bool),
        )
        for width in DIMS.inputs
    ]
    return Batch(
        dict(zip(MODALITIES, streams, strict=True)), label=torch.zeros(3), index=torch.arange(3)
    )


def flipped(stream: Stream) -> Stream:
    return Stream(stream.values.flip(1), stream.mask)


def by_loop(lstm: nn.LSTM, values: torch.Tensor) -> torch.Tensor:
    hidden, cells = run_with_cells(lstm, values)
    torch.testing.assert_close(hidden, lstm(values)[0])
    return cells


def from_states(lstm: nn.LSTM, values: torch.Tensor) -> torch.Tensor:
    return _cells(lstm, values, lstm(values)[0])


@pytest.mark.parametrize("way", [by_loop, from_states])
def test_cells_equal_those_of_a_step_by_step_lstm(way) -> None:
    torch.manual_seed(0)
    lstm, cell = nn.LSTM(4, 5, batch_first=True), nn.LSTMCell(4, 5)
    cell.load_state_dict({f"{name}": getattr(lstm, f"{name}_l0") for name in cell.state_dict()})
    values = torch.randn(3, 7, 4)
    hidden = torch.zeros(3, 5)
    state, expected = hidden, []
    for step in values.unbind(1):
        hidden, state = cell(step, (hidden, state))
        expected.append(state)
    got = way(lstm, values)
    torch.testing.assert_close(got, torch.stack(expected, dim=1))
    own = torch.autograd.grad(got.square().sum(), list(lstm.parameters()))
    reference = torch.autograd.grad(
        torch.stack(expected, dim=1).square().sum(), list(cell.parameters())
    )
    for one, other in zip(own, reference, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_the_gated_memory_follows_its_equation() -> None:
    torch.manual_seed(0)
    memory = GatedMemory(4, 3, retain=5, update=6).eval()
    context, proposal = torch.randn(2, 5, 4), torch.randn(2, 5, 3)
    state = torch.zeros(2, 3)
    got = memory(context, proposal)
    for step in range(5):
        seen = torch.cat([context[:, step], state], dim=1)
        retain = memory.retain_gate(memory.retain_hidden(seen).relu()).sigmoid()
        update = memory.update_gate(memory.update_hidden(seen).relu()).sigmoid()
        state = retain * state + update * proposal[:, step]
        torch.testing.assert_close(got[:, step], state)


def test_the_previous_state_comes_first() -> None:
    states = torch.arange(1.0, 4).view(1, 3, 1)
    assert with_previous(states).tolist() == [[[0, 1], [1, 2], [2, 3]]]


def test_only_the_mmsa_variant_of_mfn_loses_the_order_of_frames() -> None:
    batch = make_batch()
    turned = batch.with_stream("audio", flipped(batch.audio))
    turned = turned.with_stream("vision", flipped(turned.vision))
    for variant, blind in (("paper", False), ("orig", False), ("mmsa", True)):
        torch.manual_seed(0)
        model = MFN(DIMS, variant=variant).eval()
        same = torch.allclose(model(batch).prediction, model(turned).prediction, atol=1e-6)
        assert same is blind, variant


def test_ef_lstm_of_mmsa_is_bound_to_its_number_of_steps() -> None:
    model = EFLSTM(DIMS, hidden=4, steps=6, variant="mmsa").eval()
    assert model(make_batch()).prediction.shape == (3,)
    with pytest.raises(UserError, match="built for 6 text steps and got 7; set steps=7"):
        model(make_batch(7))
