"""ECAPA-TDNN (Desplanques, Thienpondt, Demuynck, Interspeech 2020), of any width."""

from typing import cast

import torch
from torch import nn
from torch.nn import functional as F

from ..precision import compiled_forms
from .base import Encoder, Part
from .pooling import Plain, Weighted, fused_statistics, plain_statistics, weighted_statistics


def convolve(conv: nn.Conv1d, x: torch.Tensor, reflect: bool = False) -> torch.Tensor:
    """Apply a 1-D convolution to (B, T, C), as a 2-D convolution of height 1 in channels-last order.

    With reflect, the ends are padded with the mirrored signal instead of zeros.

    All layers keep this order of memory, and no library has to reorder it. Batch norm and sums over time then read the
    memory in order. On a CPU, with the widths that are used there, this takes a quarter less time than (B, C, T).
    """
    if x.is_cuda and not torch.backends.cudnn.benchmark:
        return convolve_by_products(conv, x, reflect)
    image = x.transpose(1, 2).unsqueeze(2)
    stride, padding, dilation = (1, *conv.stride), (0, *conv.padding), (1, *conv.dilation)
    if reflect and padding[1]:
        image, padding = F.pad(image, (padding[1], padding[1], 0, 0), "reflect"), (0, 0)
    return F.conv2d(image, conv.weight.unsqueeze(2), conv.bias, stride, padding, dilation).squeeze(2).transpose(1, 2)


def convolve_by_products(conv: nn.Conv1d, x: torch.Tensor, reflect: bool = False) -> torch.Tensor:
    """convolve() as one product of matrices, for whole utterances on a GPU.

    cuDNN plans each convolution anew for each new length, and a corpus has hundreds of lengths. Products need no plan.
    """
    kernel, stride, dilation = conv.kernel_size[0], conv.stride[0], conv.dilation[0]
    if kernel == stride == 1:
        return F.linear(x, conv.weight.squeeze(2), conv.bias)
    padding = dilation * (kernel - 1) // 2
    padded = F.pad(x.transpose(1, 2), (padding, padding), "reflect" if reflect else "constant")
    windows = padded.unfold(2, dilation * (kernel - 1) + 1, stride)[..., ::dilation]  # (B, C, frames, kernel)
    return F.linear(windows.transpose(1, 2).flatten(2), conv.weight.flatten(1), conv.bias)


class ConvReluNorm(nn.Sequential):
    """1-D convolution, ReLU and batch norm of (B, T, C). Padding keeps T, which is divided by the stride."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, dilation: int = 1, stride: int = 1, reflect: bool = False
    ):
        super().__init__(
            nn.Conv1d(inputs, outputs, kernel, stride, dilation * (kernel - 1) // 2, dilation),
            nn.ReLU(),
            nn.BatchNorm1d(outputs),
        )
        self.reflect = reflect

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        conv, relu, norm = self
        x = relu(convolve(cast(nn.Conv1d, conv), x, self.reflect))
        normed: torch.Tensor = norm(x.flatten(0, 1))
        return normed.view_as(x)


class Res2Conv(nn.Module):
    """Res2Net convolution: the input of each group of channels is its own slice plus the output of the group before."""

    def __init__(self, channels: int, kernel: int, dilation: int, scale: int, reflect: bool = False):
        super().__init__()
        width = channels // scale
        self.width = width
        self.convs = nn.ModuleList(
            ConvReluNorm(width, width, kernel, dilation, reflect=reflect) for _ in range(scale - 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, *rest = x.split(self.width, dim=-1)
        outputs, y = [], None
        for conv, part in zip(self.convs, rest):
            y = conv(part.contiguous() if y is None else part + y)
            outputs.append(y)
        if outputs[-1].requires_grad:
            # The gradient of a cat comes as a slice of it. On a GPU, batch norm needs 100 times as long for a slice.
            outputs[-1].register_hook(torch.Tensor.contiguous)
        return torch.cat([*outputs, first], dim=-1)


class SqueezeExcite(nn.Module):
    """A gain in (0, 1) for each channel, from the mean over time."""

    def __init__(self, channels: int, bottleneck: int):
        super().__init__()
        self.down = nn.Linear(channels, bottleneck)
        self.up = nn.Linear(bottleneck, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gain = torch.sigmoid(self.up(F.relu(self.down(x.mean(1)))))
        return x * gain.unsqueeze(1)


class SeRes2Block(nn.Module):
    """1×1 convolution, Res2, 1×1 convolution and squeeze-excite, with a residual connection (sections 3.1 and 3.2)."""

    def __init__(self, channels: int, kernel: int, dilation: int, scale: int, reflect: bool = False):
        super().__init__()
        self.block = nn.Sequential(
            ConvReluNorm(channels, channels),
            Res2Conv(channels, kernel, dilation, scale, reflect),
            ConvReluNorm(channels, channels),
            SqueezeExcite(channels, min(128, channels)),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        residual: torch.Tensor = self.block(x)
        return x + residual


class AttentiveStatistics(nn.Module):
    """Weighted mean and deviation over time; each channel has its own weights, from the context (section 3.3)."""

    def __init__(self, channels: int, bottleneck: int, norm: bool = False):
        super().__init__()
        self.channels = channels
        self.norm = nn.Sequential(nn.ReLU(), nn.BatchNorm1d(bottleneck)) if norm else None
        # The input of the first layer is [x; mean; std]. Mean and std are constant over time: they are projected once.
        self.down = nn.Conv1d(channels, bottleneck, 1)
        self.context = nn.Linear(2 * channels, bottleneck, bias=False)
        self.up = nn.Conv1d(bottleneck, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # A CPU is not quicker with compiled forms. Whole utterances have too many shapes to compile for.
        plain: Plain = plain_statistics
        weighted: Weighted = weighted_statistics
        if x.is_cuda and self.training and compiled_forms():
            plain, weighted = fused_statistics("cuda", self.channels, x.dtype)
        context = self.context(plain(x).to(x.dtype))
        hidden = convolve(self.down, x) + context.unsqueeze(1)
        if self.norm is not None:
            hidden = self.norm(hidden.flatten(0, 1)).view_as(hidden)
        logits = convolve(self.up, torch.tanh(hidden))
        return weighted(logits, x)


class EcapaTdnn(Encoder):
    """ECAPA-TDNN: (B, T, F) log-mel energies to (B, embedding_dim) embeddings, batch-normalised, not length-normalised.

    Args:
        num_mel_bins: F.
        channels: width C of the frame layers; 512 or 1024 in the literature, 64 to 128 for training on a CPU.
        embedding_dim: D, 192 in the literature.
        aggregate: channels of the layer before pooling; 1536 in the paper, 0 = 3 C.
        scale: Res2Net groups; 8 in the paper.
        attention: bottleneck of the attention; 128 in the paper.
        stride: of the first convolution; 2 halves the cost of all layers behind it.
        speechbrain: as SpeechBrain and 3D-Speaker build it: ends are padded by reflection, and the layer before pooling
            and the attention have a batch norm too. For imported encoders.
    """

    def __init__(
        self,
        num_mel_bins: int,
        channels: int = 512,
        embedding_dim: int = 192,
        aggregate: int = 1536,
        scale: int = 8,
        attention: int = 128,
        stride: int = 1,
        speechbrain: bool = False,
    ):
        super().__init__()
        aggregate = aggregate or 3 * channels
        self.embedding_dim = embedding_dim
        self.front = ConvReluNorm(num_mel_bins, channels, 5, stride=stride, reflect=speechbrain)
        self.blocks = nn.ModuleList(SeRes2Block(channels, 3, dilation, scale, speechbrain) for dilation in (2, 3, 4))
        self.aggregate = nn.Sequential(nn.Conv1d(3 * channels, aggregate, 1), nn.ReLU())
        if speechbrain:
            self.aggregate = ConvReluNorm(3 * channels, aggregate)
        self.pool = AttentiveStatistics(aggregate, attention, norm=speechbrain)
        self.pool_norm = nn.BatchNorm1d(2 * aggregate)
        self.embedding = nn.Linear(2 * aggregate, embedding_dim)
        self.embedding_norm = nn.BatchNorm1d(embedding_dim)

    def parts(self) -> list[Part]:
        """Three parts: the frame layers, the layer that joins their outputs, and pooling with the embedding."""
        last: list[nn.Module] = [self.pool, self.pool_norm, self.embedding, self.embedding_norm]
        return [
            Part([self.front, self.blocks], self.frames),
            Part([self.aggregate], self.together),
            Part(last, self.pooled),
        ]

    def frames(self, feats: torch.Tensor) -> torch.Tensor:
        """(B, T, F) to the outputs of the blocks, (B, 3 C, T)."""
        x = self.front(feats)
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        return torch.cat(outputs, dim=-1).transpose(1, 2)

    def together(self, outputs: torch.Tensor) -> torch.Tensor:
        """(B, 3 C, T) to (B, aggregate, T)."""
        if isinstance(self.aggregate, ConvReluNorm):
            x: torch.Tensor = self.aggregate(outputs.transpose(1, 2))
        else:
            x = F.relu(convolve(cast(nn.Conv1d, self.aggregate[0]), outputs.transpose(1, 2)))
        return x.transpose(1, 2)

    def pooled(self, x: torch.Tensor) -> torch.Tensor:
        """(B, aggregate, T) to embeddings."""
        pooled = self.pool_norm(self.pool(x.transpose(1, 2)))
        embeddings: torch.Tensor = self.embedding_norm(self.embedding(pooled))
        return embeddings
