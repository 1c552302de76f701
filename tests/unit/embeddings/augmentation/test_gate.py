"""Gates: nothing at first, by tokens afterwards."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from attune.embeddings.augmentation.gate import Contextual, Gate, Learned, Statistical, tied_table

VOCABULARY, SIZE, RANK = 30, 12, 6
SEQUENCES = [[2, 5, 5, 9, 3], [2, 3], [2, 7, 29, 3]]


def gates() -> list[Gate]:
    torch.manual_seed(0)
    table = tied_table(np.random.default_rng(0).normal(size=(VOCABULARY, 20)).astype(np.float32), RANK)
    weights = torch.rand(VOCABULARY)
    weights[[2, 3]] = 0
    return [
        Statistical(table, SIZE, weights),
        Learned(table, SIZE, (weights > 0).float()),
        Contextual(table, SIZE, torch.ones(VOCABULARY)),
    ]


def vectors() -> torch.Tensor:
    return functional.normalize(torch.randn(len(SEQUENCES), SIZE, generator=torch.Generator().manual_seed(1)))


def hidden() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(len(each), SIZE, generator=generator) for each in SEQUENCES]


@pytest.mark.parametrize("gate", gates(), ids=lambda gate: gate.kind)
def test_an_untrained_gate_is_the_backbone(gate):
    torch.testing.assert_close(gate.change(vectors(), gate.weigh(SEQUENCES, hidden())), vectors())


@pytest.mark.parametrize("gate", gates(), ids=lambda gate: gate.kind)
def test_a_gate_learns_what_a_query_is_to_be(gate):
    """Every parameter does, from a start where the projection is zero."""
    wanted = functional.normalize(vectors() * torch.linspace(0.5, 1.5, SIZE))
    optimizer = torch.optim.Adam(gate.parameters(), lr=0.05)

    def loss() -> torch.Tensor:
        return (gate.change(vectors(), gate.weigh(SEQUENCES, hidden())) - wanted)[[0, 2]].square().sum()

    before, first = float(loss()), {name: each.detach().clone() for name, each in gate.named_parameters()}
    for _ in range(60):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert float(loss()) < 0.3 * before
    assert all(not torch.equal(each, first[name]) for name, each in gate.named_parameters())


@pytest.mark.parametrize("gate", gates()[:2], ids=lambda gate: gate.kind)
def test_tokens_of_every_text_change_nothing(gate):
    torch.nn.init.normal_(gate.projection)
    changed = gate.change(vectors(), gate.weigh(SEQUENCES, hidden()))
    torch.testing.assert_close(changed[1], vectors()[1])
    assert float((changed[0] - vectors()[0]).norm()) > 0.01


def test_a_learned_gate_takes_a_token_at_its_most_telling_position():
    gate = gates()[1]
    gate.direction.data[0] = 1
    states = torch.zeros(5, SIZE)
    states[1, 0], states[2, 0] = 3.0, 1.0  # the two positions of token 5
    bags = gate.weigh([SEQUENCES[0]], [states])
    found = dict(zip(bags.ids.tolist(), bags.shares.tolist(), strict=True))
    assert found[5] / found[9] == pytest.approx(4)


def test_a_contextual_gate_thinks_of_tokens_that_the_query_does_not_have():
    gate = gates()[2]
    bags = gate.weigh(SEQUENCES, hidden())
    told = bags.ids[bags.shares > 0]
    assert not set(told.tolist()) <= {token for each in SEQUENCES for token in each}


def test_the_table_keeps_what_tells_tokens_apart():
    embeddings = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32) * np.array([5, 4, 3, 1, 0.1, 0, 0, 0])
    table = tied_table(embeddings.astype(np.float32), 3)
    torch.testing.assert_close(table.norm(dim=1), torch.ones(50))
    wanted = embeddings[:, :3] - embeddings[:, :3].mean(0)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(table @ table.T, wanted @ wanted.T, atol=0.1)
