"""The interface of an encoder."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import nn


class Part(NamedTuple):
    """A part of an encoder. The first part takes the energies, the last one gives the embeddings.

    Attributes:
        modules: those of its parameters.
        run: its input to its output. Of all parts but the last one, the output is (B, …, T').
    """

    modules: list[nn.Module]
    run: Callable[[torch.Tensor], torch.Tensor]


class Encoder(nn.Module):
    """Filter bank energies (B, T, F) to embeddings (B, D).

    Attributes:
        embedding_dim: D.
    """

    embedding_dim: int

    def parts(self) -> list[Part]:
        """The parts that run one after the other. An adaptation can train the last ones only."""
        raise NotImplementedError

    def forward(self, feats: torch.Tensor) -> torch.Tensor:
        for part in self.parts():
            feats = part.run(feats)
        return feats


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode for a while. Each module goes back to the mode that it was in."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
