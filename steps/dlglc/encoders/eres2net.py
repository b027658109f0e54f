"""ERes2Net (Chen et al., Interspeech 2023, arXiv 2305.12838) and ERes2NetV2 (Chen et al., Interspeech 2024).

A ResNet of Res2Net blocks. Groups of channels are fused by attention inside of a block (local fusion), and the outputs
of groups of blocks are fused from the bottom up (global fusion).
"""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from .base import Encoder, Part
from .resnet import shortcut, statistics

GROUPS = (3, 4, 6, 3)  # blocks
FUSED = 2  # the groups from this one on (from 0) fuse inside of their blocks
REDUCTION = 4  # of the channels inside of a fusion
CEILING = 20  # of the activation of a block
FLOOR = 1e-8  # of the variance in the pooling


def clipped(x: torch.Tensor) -> torch.Tensor:
    """The activation of a block: x between 0 and CEILING."""
    return F.hardtanh(x, 0.0, CEILING)


class Fusion(nn.Module):
    """Two maps (B, C, F, T) as their sum with weights from 0 to 2, which add up to 2 (section 2.2)."""

    def __init__(self, channels: int):
        super().__init__()
        inside = channels // REDUCTION
        self.weigh = nn.Sequential(
            nn.Conv2d(2 * channels, inside, 1),
            nn.BatchNorm2d(inside),
            nn.SiLU(),
            nn.Conv2d(inside, channels, 1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        lean: torch.Tensor = torch.tanh(self.weigh(torch.cat([x, y], dim=1)))
        return x * (1 + lean) + y * (1 - lean)


class Res2Block(nn.Module):
    """A Res2Net block of (B, C, F, T): each group of channels also gets the output of the group before.

    Args:
        inputs, outputs: channels.
        width: channels of a group.
        scale: number of groups.
        stride: (frequency, time) of the first convolution.
        fused: a group and the output before it are fused by attention, else added.
    """

    def __init__(self, inputs: int, outputs: int, width: int, scale: int, stride: tuple[int, int], fused: bool):
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(inputs, width * scale, 1, stride, bias=False), nn.BatchNorm2d(width * scale)
        )
        self.convs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)) for _ in range(scale)
        )
        self.fusions = nn.ModuleList(Fusion(width) for _ in range(scale - 1) if fused)
        self.last = nn.Sequential(nn.Conv2d(width * scale, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.shortcut = shortcut(inputs, outputs, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: list[torch.Tensor] = []
        for number, group in enumerate(clipped(self.first(x)).chunk(len(self.convs), 1)):
            if found:
                before = found[-1]
                group = self.fusions[number - 1](before, group) if self.fusions else before + group
            found.append(clipped(self.convs[number](group)))
        return clipped(self.last(torch.cat(found, 1)) + self.shortcut(x))


class ERes2Net(Encoder):
    """ERes2Net: (B, T, F) log-mel energies to (B, embedding_dim) embeddings, not length-normalised.

    The four groups of blocks have 1, 2, 4 and 8 times `channels` channels, times `expansion`. The last three groups
    halve frequency and time. With 32 channels, scale 2, base width 32, expansion 2, 192 dimensions and 80 mel bins, it
    has 6.6 M parameters, as ERes2Net.py of 3D-Speaker.

    Args:
        num_mel_bins: F.
        channels: number in the first group; 32 or 64 in published models.
        embedding_dim: D, 192 in published models.
        scale: groups of channels in a block; 2 to 4.
        base_width: of a group of channels, for 64 channels; 32 in the paper.
        expansion: outputs of a block for each channel; 2 in the paper.
    """

    joined: ClassVar[int] = 0  # the first group (from 0) whose output is fused with that of the next one

    def __init__(
        self,
        num_mel_bins: int,
        channels: int = 32,
        embedding_dim: int = 192,
        scale: int = 2,
        base_width: int = 32,
        expansion: int = 2,
    ):
        super().__init__()
        self.embedding_dim = embedding_dim
        self.stem = nn.Sequential(nn.Conv2d(1, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
        self.groups, self.downs, self.fusions = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        inputs, bins = channels, num_mel_bins
        for number, blocks in enumerate(GROUPS):
            planes, stride, layers = channels * 2**number, 2 if number else 1, []
            outputs, width = expansion * planes, planes * base_width // 64
            for block in range(blocks):
                steps = (1, 1) if block else (stride, stride)
                layers.append(Res2Block(inputs, outputs, width, scale, steps, number >= FUSED))
                inputs = outputs
            if number > self.joined:
                self.downs.append(nn.Conv2d(outputs // 2, outputs, 3, 2, 1, bias=False))
                self.fusions.append(Fusion(outputs))
            self.groups.append(nn.Sequential(*layers))
            bins = -(-bins // stride)
        self.embedding = nn.Linear(2 * inputs * bins, embedding_dim)

    def parts(self) -> list[Part]:
        """Five parts: the four groups of blocks with what joins their outputs, and pooling with the embedding.

        The maps between two parts are (B, C, F, T), or (B, 2, C, F, T): a group's output and what it was fused to.
        """

        def joined(number: int) -> tuple[list[nn.Module], Callable[[torch.Tensor], torch.Tensor]]:
            place = number - self.joined - 1
            joins = [self.downs[place], self.fusions[place]] if place >= 0 else []
            return [self.groups[number], *joins], lambda maps: self.join(maps, number)

        return [
            Part([self.stem, self.groups[0]], lambda feats: self.groups[0](self.stem(feats.transpose(1, 2)[:, None]))),
            *(Part(*joined(number)) for number in range(1, len(GROUPS))),
            Part([self.embedding], lambda maps: self.embedding(statistics(maps.flatten(1, 2), FLOOR))),
        ]

    def join(self, maps: torch.Tensor, number: int) -> torch.Tensor:
        """Run a group of blocks (from 1), and fuse its output with that of the groups before."""
        before, fused = maps.unbind(1) if maps.ndim > 4 else (maps, maps)
        outputs: torch.Tensor = self.groups[number](before)
        if number <= self.joined:
            return outputs
        place = number - self.joined - 1
        fused = self.fusions[place](outputs, self.downs[place](fused))
        return fused if number + 1 == len(GROUPS) else torch.stack([outputs, fused], 1)


class ERes2NetV2(ERes2Net):
    """ERes2NetV2: the last two groups of blocks alone are fused, and blocks are wider.

    With 64 channels, scale 2, base width 26, expansion 2, 192 dimensions and 80 mel bins, it has 17.9 M parameters, as
    ERes2NetV2.py of 3D-Speaker.
    """

    joined = 2
