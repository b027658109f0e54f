"""The interface of an encoder."""

from torch import nn


class Encoder(nn.Module):
    """Filter bank energies (B, T, F) to embeddings (B, D).

    Attributes:
        embedding_dim: D.
    """

    embedding_dim: int
