"""ECAPA-TDNN (Desplanques, Thienpondt, Demuynck, Interspeech 2020), of any width."""

import torch
from torch import nn
from torch.nn import functional as F


def convolve(conv: nn.Conv1d, x: torch.Tensor) -> torch.Tensor:
    """A 1-D convolution of (B, T, C): an image of height 1 in channels-last order, where no library reorders anything.

    All layers keep that order, in which batch norm and sums over time run along memory: a quarter less time on a CPU
    than (B, C, T) for the widths that learn there.
    """
    image = x.transpose(1, 2).unsqueeze(2)
    stride, padding, dilation = (1, *conv.stride), (0, *conv.padding), (1, *conv.dilation)
    return F.conv2d(image, conv.weight.unsqueeze(2), conv.bias, stride, padding, dilation).squeeze(2).transpose(1, 2)


class ConvReluNorm(nn.Sequential):
    """1-D convolution, ReLU, batch norm of (B, T, C), the length kept up to the stride."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, dilation: int = 1, stride: int = 1):
        super().__init__(
            nn.Conv1d(inputs, outputs, kernel, stride, dilation * (kernel - 1) // 2, dilation),
            nn.ReLU(),
            nn.BatchNorm1d(outputs),
        )

    def forward(self, x):
        conv, relu, norm = self
        x = relu(convolve(conv, x))
        return norm(x.flatten(0, 1)).view_as(x)


class Res2Conv(nn.Module):
    """Res2Net convolution: `scale` groups of channels, each fed with its own slice plus its predecessor's output."""

    def __init__(self, channels: int, kernel: int, dilation: int, scale: int):
        super().__init__()
        width = channels // scale
        self.width = width
        self.convs = nn.ModuleList(ConvReluNorm(width, width, kernel, dilation) for _ in range(scale - 1))

    def forward(self, x):
        first, *rest = x.split(self.width, dim=-1)
        outputs, y = [], None
        for conv, part in zip(self.convs, rest):
            y = conv(part.contiguous() if y is None else part + y)
            outputs.append(y)
        return torch.cat([*outputs, first], dim=-1)


class SqueezeExcite(nn.Module):
    """Channel gains in (0, 1) from the mean over time."""

    def __init__(self, channels: int, bottleneck: int):
        super().__init__()
        self.down = nn.Linear(channels, bottleneck)
        self.up = nn.Linear(bottleneck, channels)

    def forward(self, x):
        gain = torch.sigmoid(self.up(F.relu(self.down(x.mean(1)))))
        return x * gain.unsqueeze(1)


class SeRes2Block(nn.Module):
    """1×1, Res2, 1×1, squeeze-excite, with a residual around all (section 3.1–3.2 of the paper)."""

    def __init__(self, channels: int, kernel: int, dilation: int, scale: int):
        super().__init__()
        self.block = nn.Sequential(
            ConvReluNorm(channels, channels),
            Res2Conv(channels, kernel, dilation, scale),
            ConvReluNorm(channels, channels),
            SqueezeExcite(channels, min(128, channels)),
        )

    def forward(self, x):
        return x + self.block(x)


class AttentiveStatistics(nn.Module):
    """Channel- and context-dependent statistics pooling over time (section 3.3): weighted mean and deviation."""

    def __init__(self, channels: int, bottleneck: int):
        super().__init__()
        self.channels = channels
        # The first layer sees [x; mean; std]; the two constants over time are projected once, not once per frame.
        self.down = nn.Conv1d(channels, bottleneck, 1)
        self.context = nn.Linear(2 * channels, bottleneck, bias=False)
        self.up = nn.Conv1d(bottleneck, channels, 1)

    def forward(self, x):
        # Statistics in float32: squares of half-precision activations lose the variance.
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        mean = wide.mean(1)
        variance = (wide.square().mean(1) - mean.square()).clamp(min=0)
        context = self.context(torch.cat([mean, (variance + 1e-7).sqrt()], dim=1).to(x.dtype))
        logits = convolve(self.up, torch.tanh(convolve(self.down, x) + context.unsqueeze(1)))
        weighted = torch.softmax(logits.to(wide.dtype), dim=1) * wide
        mean = weighted.sum(1)
        variance = (weighted * wide).sum(1) - mean.square()
        return torch.cat([mean, variance.clamp(min=1e-7).sqrt()], dim=1)


class EcapaTdnn(nn.Module):
    """ECAPA-TDNN: (B, T, F) log-mel energies to (B, embedding_dim) embeddings, batch-normalised, not length-normalised.

    Args:
        num_mel_bins: F.
        channels: width C of the frame layers; 512 or 1024 in the literature, 64–128 learns on a CPU.
        embedding_dim: D, 192 in the literature.
        aggregate: channels of the layer before pooling; 1536 in the paper, 0 = 3 C.
        scale: Res2Net groups; 8 in the paper.
        attention: bottleneck of the attention; 128 in the paper.
        stride: of the first convolution; 2 halves the cost of everything above it.
    """

    def __init__(self, num_mel_bins, channels=512, embedding_dim=192, aggregate=1536, scale=8, attention=128, stride=1):
        super().__init__()
        aggregate = aggregate or 3 * channels
        self.embedding_dim = embedding_dim
        self.front = ConvReluNorm(num_mel_bins, channels, 5, stride=stride)
        self.blocks = nn.ModuleList(SeRes2Block(channels, 3, dilation, scale) for dilation in (2, 3, 4))
        self.aggregate = nn.Sequential(nn.Conv1d(3 * channels, aggregate, 1), nn.ReLU())
        self.pool = AttentiveStatistics(aggregate, attention)
        self.pool_norm = nn.BatchNorm1d(2 * aggregate)
        self.embedding = nn.Linear(2 * aggregate, embedding_dim)
        self.embedding_norm = nn.BatchNorm1d(embedding_dim)

    def forward(self, feats: torch.Tensor) -> torch.Tensor:
        x = self.front(feats)
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        x = F.relu(convolve(self.aggregate[0], torch.cat(outputs, dim=-1)))
        return self.embedding_norm(self.embedding(self.pool_norm(self.pool(x))))
