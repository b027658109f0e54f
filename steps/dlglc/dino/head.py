"""DINO's projection head."""

import torch
from torch import nn
from torch.nn import functional as F


class DinoHead(nn.Module):
    """Projection head: two hidden layers (linear, batch norm, GELU), a bottleneck, and K prototypes of unit length.

    The output is the cosine of the bottleneck with each prototype (weight norm with its gain fixed at 1).

    Args:
        inputs: embedding dimension D.
        hidden: width of the two hidden layers; 2048 in the paper.
        bottleneck: width of the bottleneck; 256 in the paper.
        outputs: number of prototypes K; 65536 in the paper.
    """

    def __init__(self, inputs: int, hidden: int, bottleneck: int, outputs: int):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.BatchNorm1d(hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.BatchNorm1d(hidden),
            nn.GELU(),
            nn.Linear(hidden, bottleneck),
        )
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        self.last = nn.Linear(bottleneck, outputs, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, D) embeddings to (B, K) cosines."""
        return F.linear(F.normalize(self.mlp(x), dim=-1), F.normalize(self.last.weight, dim=-1))
