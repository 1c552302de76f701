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

    @torch.no_grad()
    def append(self, vector: Tensor) -> int:
        """Another row at the end; its id. The rows of before keep theirs, for those who use the table meanwhile."""
        row = vector.to(self.weight).unsqueeze(0)
        self.weight = nn.Parameter(torch.cat([self.weight, row]), requires_grad=self.weight.requires_grad)
        return len(self.weight) - 1

    def forward(self, ids: Tensor) -> Tensor:
        return functional.embedding(ids, self.weight)
