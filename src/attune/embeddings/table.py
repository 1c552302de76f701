"""A table of vectors."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Table(nn.Module):
    """Ids [n] to their vectors [n, columns].

    Like `nn.Embedding`, but its weights are not initialised, as they will be loaded: that saves torch seconds at start,
    in which it would import what it draws random numbers with where there is no memory yet.
    """

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(rows, columns))

    def forward(self, ids: Tensor) -> Tensor:
        return functional.embedding(ids, self.weight)
