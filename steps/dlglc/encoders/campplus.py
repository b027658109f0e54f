"""CAM++ (Wang, Zheng, Chen, Cheng, Chen, Interspeech 2023): a densely connected TDNN with context-aware masking."""

import torch
from torch import nn
from torch.nn import functional as F

from .base import Encoder, Part
from .resnet import BasicBlock, statistics

SEGMENT = 100  # frames of a segment; its mean is part of the context of its frames
BLOCKS = ((12, 1), (24, 2), (16, 2))  # layers and dilation (table 1 of the paper)
GROWTH, BOTTLENECK = 32, 128


class FrontEnd(nn.Module):
    """Two-dimensional convolutions that divide the frequency by 8 (FCM): (B, T, F) to (B, C·⌈F/8⌉, T)."""

    def __init__(self, num_mel_bins: int, channels: int = 32):
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(1, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()),
            *(BasicBlock(channels, channels, (2, 1) if block % 2 == 0 else (1, 1)) for block in range(4)),
            *(nn.Conv2d(channels, channels, 3, (2, 1), 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()),
        )
        self.outputs = channels * -(-num_mel_bins // 8)

    def forward(self, feats: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = self.layers(feats.transpose(1, 2).unsqueeze(1))
        return maps.flatten(1, 2)


class MaskedConv(nn.Module):
    """A convolution over time with a mask from its context: the means of utterance and segment (section 2.2)."""

    def __init__(self, inputs: int, outputs: int, dilation: int):
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, 3, 1, dilation, dilation, bias=False)
        self.down = nn.Conv1d(inputs, inputs // 2, 1)
        self.up = nn.Conv1d(inputs // 2, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # The mask is constant over a segment: it is computed once per segment and repeated for its frames.
        context = F.avg_pool1d(x, SEGMENT, SEGMENT, ceil_mode=True) + x.mean(-1, keepdim=True)
        mask = torch.sigmoid(self.up(F.relu(self.down(context))))
        masked: torch.Tensor = self.conv(x) * mask.repeat_interleave(SEGMENT, dim=-1)[..., : x.shape[-1]]
        return masked


def norm_relu(channels: int) -> nn.Sequential:
    """Batch norm and ReLU."""
    return nn.Sequential(nn.BatchNorm1d(channels), nn.ReLU())


class DenseLayer(nn.Module):
    """A layer of a dense block. It appends GROWTH channels to its input."""

    def __init__(self, inputs: int, dilation: int):
        super().__init__()
        self.layers = nn.Sequential(
            norm_relu(inputs),
            nn.Conv1d(inputs, BOTTLENECK, 1, bias=False),
            norm_relu(BOTTLENECK),
            MaskedConv(BOTTLENECK, GROWTH, dilation),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.layers(x)], dim=1)


class CamPlusPlus(Encoder):
    """CAM++: (B, T, F) log-mel energies to (B, embedding_dim) embeddings, batch-normalised, not length-normalised.

    With 128 channels, 512 dimensions and 80 mel bins, it has 7.2 M parameters, as in the paper.

    Args:
        num_mel_bins: F.
        channels: number before the first dense block; 128 in the paper.
        embedding_dim: D, 512 in the paper.
    """

    def __init__(self, num_mel_bins: int, channels: int = 128, embedding_dim: int = 512):
        super().__init__()
        self.embedding_dim = embedding_dim
        self.front = FrontEnd(num_mel_bins)
        layers = [nn.Conv1d(self.front.outputs, channels, 5, 2, 2, bias=False), norm_relu(channels)]
        for count, dilation in BLOCKS:
            for _ in range(count):
                layers.append(DenseLayer(channels, dilation))
                channels += GROWTH
            layers += [norm_relu(channels), nn.Conv1d(channels, channels // 2, 1, bias=False)]
            channels //= 2
        self.layers = nn.Sequential(*layers, norm_relu(channels))
        self.embedding = nn.Linear(2 * channels, embedding_dim, bias=False)
        self.embedding_norm = nn.BatchNorm1d(embedding_dim, affine=False)

    def parts(self) -> list[Part]:
        """Five parts: the front end, the three dense blocks, and pooling with the embedding."""
        ends = [index + 1 for index, layer in enumerate(self.layers) if index > 1 and isinstance(layer, nn.Conv1d)]
        blocks = [self.layers[start:end] for start, end in zip([0, *ends[:-1]], [*ends[:-1], len(self.layers)])]
        return [
            Part([self.front], self.front),
            *(Part([block], block) for block in blocks),
            Part([self.embedding, self.embedding_norm], self.pool),
        ]

    def pool(self, frames: torch.Tensor) -> torch.Tensor:
        """(B, C, T) to embeddings."""
        embeddings: torch.Tensor = self.embedding_norm(self.embedding(statistics(frames)))
        return embeddings
