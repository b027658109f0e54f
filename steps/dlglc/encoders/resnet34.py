"""ResNet34 with two-dimensional convolutions over frequency and time, as in the public speaker recipes."""

import torch
from torch import nn
from torch.nn import functional as F

from .base import Encoder, Part

GROUPS = (3, 4, 6, 3)  # blocks


class BasicBlock(nn.Module):
    """Two 3×3 convolutions of (B, C, F, T) with a shortcut (He et al., CVPR 2016, figure 2).

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

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


def statistics(x: torch.Tensor) -> torch.Tensor:
    """Mean and unbiased standard deviation over time of (B, C, T), as (B, 2 C), in float32 or wider."""
    # Squares of half-precision activations would lose the variance.
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    return torch.cat([x.mean(-1), (x.var(-1, correction=min(1, x.shape[-1] - 1)) + 1e-7).sqrt()], dim=1)


class ResNet34(Encoder):
    """ResNet34: (B, T, F) log-mel energies to (B, embedding_dim) embeddings, not length-normalised.

    Its four groups have 3, 4, 6 and 3 blocks with 1, 2, 4 and 8 times `channels` channels. The last three groups halve
    frequency and time. With 32 channels, 256 dimensions and 80 mel bins, it has 6.63 M parameters, as models/resnet.py
    of WeSpeaker.

    Args:
        num_mel_bins: F.
        channels: number in the first group; 32 in the literature.
        embedding_dim: D, 256 in the literature.
    """

    def __init__(self, num_mel_bins: int, channels: int = 32, embedding_dim: int = 256):
        super().__init__()
        self.embedding_dim = embedding_dim
        layers = [nn.Conv2d(1, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
        inputs, bins = channels, num_mel_bins
        for width, blocks, stride in zip((1, 2, 4, 8), GROUPS, (1, 2, 2, 2)):
            for block in range(blocks):
                layers.append(BasicBlock(inputs, width * channels, (1, 1) if block else (stride, stride)))
                inputs = width * channels
            bins = -(-bins // stride)
        self.layers = nn.Sequential(*layers)
        self.embedding = nn.Linear(2 * inputs * bins, embedding_dim)

    def parts(self) -> list[Part]:
        """Five parts: the four groups of blocks, and pooling with the embedding."""
        ends = [3, *(3 + sum(GROUPS[: group + 1]) for group in range(len(GROUPS)))]
        first, *others = [self.layers[start:end] for start, end in zip([0, *ends[1:-1]], ends[1:])]
        return [
            Part([first], lambda feats: first(feats.transpose(1, 2).unsqueeze(1))),
            *(Part([group], group) for group in others),
            Part([self.embedding], lambda maps: self.embedding(statistics(maps.flatten(1, 2)))),
        ]
