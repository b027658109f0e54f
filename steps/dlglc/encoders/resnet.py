"""ResNets with two-dimensional convolutions over frequency and time, as in the public speaker recipes."""

from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from .base import Encoder, Part


class BasicBlock(nn.Module):
    """Two 3×3 convolutions of (B, C, F, T) with a shortcut (He et al., CVPR 2016, figure 2).

    Args:
        inputs, outputs: channels.
        stride: (frequency, time) of the first convolution.
    """

    expansion = 1  # outputs for each channel of a 3×3 convolution

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int] = (1, 1)):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = shortcut(inputs, outputs, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


class Bottleneck(BasicBlock):
    """A 3×3 convolution between two 1×1 ones, with a shortcut (He et al., CVPR 2016, figure 5).

    Args:
        inputs, outputs: channels; outputs is a multiple of 4.
        stride: (frequency, time) of the 3×3 convolution.
    """

    expansion = 4

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int] = (1, 1)):
        nn.Module.__init__(self)
        width = outputs // self.expansion
        self.body = nn.Sequential(
            nn.Conv2d(inputs, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = shortcut(inputs, outputs, stride)


def shortcut(inputs: int, outputs: int, stride: tuple[int, int]) -> nn.Sequential:
    """The way around a block; a 1×1 convolution where the block changes the shape."""
    if inputs == outputs and stride == (1, 1):
        return nn.Sequential()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


def statistics(x: torch.Tensor, floor: float = 1e-7) -> torch.Tensor:
    """Mean and unbiased standard deviation over time of (B, C, T), as (B, 2 C), in float32 or wider.

    Args:
        x: the frames.
        floor: what is added to the variance.
    """
    # Squares of half-precision activations would lose the variance.
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    return torch.cat([x.mean(-1), (x.var(-1, correction=min(1, x.shape[-1] - 1)) + floor).sqrt()], dim=1)


class ResNet34(Encoder):
    """ResNet34: (B, T, F) log-mel energies to (B, embedding_dim) embeddings, not length-normalised.

    The 3×3 convolutions of its four groups have 1, 2, 4 and 8 times `channels` channels. The last three groups halve
    frequency and time. With 32 channels, 256 dimensions and 80 mel bins, it has 6.63 M parameters, as models/resnet.py
    of WeSpeaker.

    Args:
        num_mel_bins: F.
        channels: number in the first group; 32 in the literature.
        embedding_dim: D, 256 in the literature.
    """

    groups: ClassVar[tuple[int, ...]] = (3, 4, 6, 3)  # blocks
    block: ClassVar[type[BasicBlock]] = BasicBlock

    def __init__(self, num_mel_bins: int, channels: int = 32, embedding_dim: int = 256):
        super().__init__()
        self.embedding_dim = embedding_dim
        layers = [nn.Conv2d(1, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
        inputs, bins = channels, num_mel_bins
        for width, blocks, stride in zip((1, 2, 4, 8), self.groups, (1, 2, 2, 2)):
            outputs = width * channels * self.block.expansion
            for number in range(blocks):
                layers.append(self.block(inputs, outputs, (1, 1) if number else (stride, stride)))
                inputs = outputs
            bins = -(-bins // stride)
        self.layers = nn.Sequential(*layers)
        self.embedding = nn.Linear(2 * inputs * bins, embedding_dim)

    def parts(self) -> list[Part]:
        """Five parts: the four groups of blocks, and pooling with the embedding."""
        ends = [3, *(3 + sum(self.groups[: group + 1]) for group in range(len(self.groups)))]
        first, *others = [self.layers[start:end] for start, end in zip([0, *ends[1:-1]], ends[1:])]
        return [
            Part([first], lambda feats: first(feats.transpose(1, 2).unsqueeze(1))),
            *(Part([group], group) for group in others),
            Part([self.embedding], lambda maps: self.embedding(statistics(maps.flatten(1, 2)))),
        ]


class ResNet221(ResNet34):
    """ResNet221 of WeSpeaker: 23.8 M parameters with 32 channels, 256 dimensions and 80 mel bins."""

    groups = (6, 16, 48, 3)
    block = Bottleneck


class ResNet293(ResNet34):
    """ResNet293 of WeSpeaker: 28.6 M parameters with 32 channels, 256 dimensions and 80 mel bins."""

    groups = (10, 20, 64, 3)
    block = Bottleneck
