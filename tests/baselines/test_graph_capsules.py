"""Graph capsules, the hypergraph of MORAH and the bottleneck of NHFNet."""

import pytest
import torch
from torch import Tensor

from baselines.graph_cage import GraphCAGE
from baselines.layers.graph_capsules import CapsuleHead, Votes, route
from baselines.morah import MORAH, exchange
from baselines.nhfnet import NHFNet
from benchmark.batch import Batch, Stream
from benchmark.conformance.tiny_data import LENGTHS, SCORE, WIDTHS, pad, tiny_batch
from benchmark.errors import UserError
from benchmark.task import Dims, regression

DIMS = Dims(WIDTHS, lengths=LENGTHS)
SMALL = {"width": 8, "heads": 2, "layers": 1, "vertices": 3, "capsule": 4, "routing": 2}


def build(cls: type, **settings: object):
    torch.manual_seed(0)
    return cls(DIMS, **{**SMALL, **settings}).eval()


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_routing_without_rounds_is_an_equal_share() -> None:
    votes = random(2, 5, 3, 4)
    torch.testing.assert_close(route(votes, 0, dim=2), (votes.sum(1) / 3).tanh())
    torch.testing.assert_close(route(votes, 0, dim=1), votes.mean(1).tanh())


@pytest.mark.parametrize("dim", [1, 2])
def test_routing_follows_its_definition_and_sends_no_gradient_through_shares(dim: int) -> None:
    votes = random(1, 4, 3, 2).requires_grad_()
    agreement = torch.zeros(4, 3)
    for last in (False, False, True):
        shares = agreement.softmax(dim - 1)
        capsules = [
            torch.stack([shares[i, o] * votes[0, i, o] for i in range(4)]).sum(0).tanh()
            for o in range(3)
        ]
        if not last:
            for i in range(4):
                for o in range(3):
                    agreement[i, o] += (capsules[o] * votes[0, i, o]).sum().item()
    expected = torch.stack(capsules)
    torch.testing.assert_close(route(votes, 2, dim)[0], expected)
    weights = random(3, 2, seed=1)
    (want,) = torch.autograd.grad((expected * weights).sum(), votes)
    (got,) = torch.autograd.grad((route(votes, 2, dim)[0] * weights).sum(), votes)
    torch.testing.assert_close(got, want)


def test_vote_maps_start_as_those_of_the_reference() -> None:
    torch.manual_seed(0)
    maps = Votes(50, 60, 20, 32, 2).maps
    reference = torch.nn.init.xavier_normal_(torch.empty(50, 20, 60, 32))
    assert maps.std().item() == pytest.approx(reference.std().item(), rel=0.01)


@pytest.mark.parametrize("cls", [GraphCAGE, MORAH])
def test_padding_changes_nothing_even_beyond_the_longest_sequence(cls: type) -> None:
    model, batch = build(cls), tiny_batch(DIMS)
    longer = pad(pad(pad(batch, "text", 3), "audio", 5), "vision", 2)
    with torch.no_grad():
        torch.testing.assert_close(model(longer).prediction, model(batch).prediction)


def test_the_original_reads_padding() -> None:
    model, batch = build(GraphCAGE, variant="orig"), tiny_batch(DIMS)
    shorter = Batch(
        {name: Stream(s.values[:, :-1], s.mask[:, :-1]) for name, s in batch.modalities.items()},
        label=batch.label,
        index=batch.index,
    ).select(torch.tensor([i for i in range(6) if batch.audio.lengths[i] < LENGTHS["audio"]]))
    full = batch.select(shorter.index)
    with torch.no_grad():
        change = model(full).prediction - model(shorter).prediction
    assert change.abs().max() > 1e-4


def test_a_missing_modality_leaves_an_empty_graph() -> None:
    model, batch = build(GraphCAGE), tiny_batch(DIMS).without("audio")
    features = model(batch).features
    assert not features["vertices_audio"].any()
    identity = torch.eye(SMALL["vertices"]).expand(6, -1, -1)
    assert torch.equal(features["adjacency_audio"], identity)
    assert features["vertices_text"].abs().min() > 0


def test_the_penalty_is_the_sum_of_norms_that_are_not_squared() -> None:
    model, batch = build(GraphCAGE, vote_penalty=0.5), tiny_batch(DIMS)
    output = model(batch)
    norms = [votes.maps.square().sum().sqrt() for votes in model.capsules.votes.values()]
    expected = SCORE.loss(output.prediction, batch.label) + 0.5 * sum(norms)
    torch.testing.assert_close(model.loss(output, batch), expected)


@pytest.mark.parametrize(
    ("low", "high", "literal", "gain"),
    [(-3, 3, False, 10.0), (-1, 1, False, 10 / 3), (-1, 1, True, 10.0)],
)
def test_the_output_is_scaled_to_the_label_range(
    low: float, high: float, literal: bool, gain: float
) -> None:
    dims = Dims(WIDTHS, task=regression(low, high))
    assert CapsuleHead(dims, 4, dropout=0.0, literal=literal).gain == pytest.approx(gain)


def test_unknown_lengths_are_refused() -> None:
    with pytest.raises(UserError, match="says nothing about vision"):
        GraphCAGE(Dims(WIDTHS, lengths={"text": 3, "audio": 4}), **SMALL)


def written_out(nodes: Tensor, neighbours: int) -> Tensor:
    """The matrix A of all 3 B nodes (text, audio, vision) from its definition."""
    count = len(nodes)
    means = nodes.mean(1)
    edges = [{i} for i in range(count)]
    for i in range(count):
        distance = [(means[i] - means[j]).abs().sum().item() for j in range(count)]
        far = sorted(range(count), key=distance.__getitem__, reverse=True)[:neighbours]
        edges.append({i, *far})
    incidence = torch.zeros(3 * count, len(edges))
    for place, edge in enumerate(edges):
        for sample in edge:
            incidence[[sample, sample + count, sample + 2 * count], place] = 1
    degrees, sizes = incidence.sum(1), incidence.sum(0)
    return torch.diag(1 / degrees) @ incidence @ torch.diag(1 / sizes) @ incidence.T


@pytest.mark.parametrize("neighbours", [0, 1, 2, 4, 5, 9])
def test_the_hypergraph_equals_its_definition(neighbours: int) -> None:
    nodes = random(5, 3, 4)
    matrix = exchange(nodes.mean(1), neighbours)
    expected = written_out(nodes, neighbours)
    torch.testing.assert_close(matrix.repeat(3, 3) / 3, expected)
    torch.testing.assert_close(matrix.sum(1), torch.ones(5))


def test_morah_averages_the_propagations() -> None:
    model, batch = build(MORAH, neighbours=2, propagations=3), tiny_batch(DIMS)
    features = model(batch).features
    nodes = features["nodes"]
    matrix = written_out(nodes.detach(), 2)
    x = nodes.transpose(0, 1).flatten(0, 1)  # (3B, 2c)
    steps = [torch.linalg.matrix_power(matrix, step) @ x for step in range(4)]
    expected = (sum(steps) / 4).unflatten(0, (3, -1)).transpose(0, 1).flatten(1)
    torch.testing.assert_close(features["propagated"], expected)


def test_a_small_batch_does_not_change_later_ones() -> None:
    model, batch = build(MORAH, neighbours=4), tiny_batch(DIMS)
    before = model(batch).prediction
    model(batch.select(torch.tensor([0, 1])))
    assert torch.equal(model(batch).prediction, before)


def test_bottleneck_tokens_differ_unless_literal() -> None:
    batch = tiny_batch(Dims(WIDTHS))
    for variant, distinct in (("paper", 3), ("orig", 1)):
        torch.manual_seed(0)
        model = NHFNet(
            Dims(WIDTHS), width=8, heads=2, layers=1, text_hidden=4, bottleneck=3, variant=variant
        ).eval()
        seen: list[Tensor] = []
        model.audio_visual.register_forward_hook(
            lambda _, __, output, seen=seen: seen.append(output.values.detach())
        )
        model(batch)
        assert len(seen) == 5
        tokens = seen[2][0, -3:]  # the pass over audio and the bottleneck
        assert len(torch.unique(tokens.round(decimals=4), dim=0)) == distinct, variant


def test_nhfnet_reads_audio_through_the_bottleneck_alone() -> None:
    torch.manual_seed(0)
    dims = Dims(WIDTHS)
    batch, other = tiny_batch(dims), tiny_batch(dims, seed=1)
    for bottleneck, heard in ((0, False), (2, True)):
        model = NHFNet(
            dims, width=8, heads=2, layers=1, text_hidden=4, bottleneck=bottleneck
        ).eval()
        with torch.no_grad():
            before = model(batch).prediction
            after = model(batch.with_stream("audio", other.audio)).prediction
        assert bool((before - after).abs().max() > 1e-5) is heard
