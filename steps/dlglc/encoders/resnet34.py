"""ResNet34 of two-dimensional convolutions over frequency and time, as the speaker recipes have it."""

import torch
from torch import nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    """Two 3×3 convolutions with a shortcut around them (He et al., CVPR 2016, figure 2), (B, C, F, T).

    Args:
        inputs, outputs: channels.
        stride: (frequency, time) of the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int] = (1, 1)):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential()
        if inputs != outputs or stride != (1, 1):
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def statistics(x: torch.Tensor) -> torch.Tensor:
    """Mean and unbiased standard deviation (0 of one frame) over time of (B, C, T), (B, 2 C) in float32 at least."""
    x = x.to(torch.promote_types(x.dtype, torch.float32))  # squares of half-precision activations lose the variance
    return torch.cat([x.mean(-1), (x.var(-1, correction=min(1, x.shape[-1] - 1)) + 1e-7).sqrt()], dim=1)


class ResNet34(nn.Module):
    """ResNet34: (B, T, F) log-mel energies to (B, embedding_dim) embeddings, not length-normalised.

    Blocks of 3, 4, 6 and 3 with 1, 2, 4 and 8 times `channels`; frequency and time are halved before the last three
    (as in WeSpeaker's models/resnet.py: 6.63 M parameters with 32 channels, 256 dimensions, 80 energies).

    Args:
        num_mel_bins: F.
        channels: of the first block; 32 in the literature.
        embedding_dim: D, 256 in the literature.
    """

    def __init__(self, num_mel_bins: int, channels: int = 32, embedding_dim: int = 256):
        super().__init__()
        self.embedding_dim = embedding_dim
        layers = [nn.Conv2d(1, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
        inputs, bins = channels, num_mel_bins
        for width, blocks, stride in ((1, 3, 1), (2, 4, 2), (4, 6, 2), (8, 3, 2)):
            for block in range(blocks):
                layers.append(BasicBlock(inputs, width * channels, (1, 1) if block else (stride, stride)))
                inputs = width * channels
            bins = -(-bins // stride)
        self.layers = nn.Sequential(*layers)
        self.embedding = nn.Linear(2 * inputs * bins, embedding_dim)

    def forward(self, feats: torch.Tensor) -> torch.Tensor:
        maps = self.layers(feats.transpose(1, 2).unsqueeze(1))
        return self.embedding(statistics(maps.flatten(1, 2)))
