"""The AAM-softmax classifier over pseudo speakers."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from ..precision import exact_products


class AamSoftmax(nn.Module):
    """The class weights of additive angular margin softmax (Deng et al., CVPR 2019). A class is a cluster.

    Args:
        inputs: embedding dimension D.
        classes: number of clusters K.
        scale: s.
    """

    def __init__(self, inputs: int, classes: int, scale: float):
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(classes, inputs))
        nn.init.xavier_normal_(self.weight)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(B, D) embeddings to (B, K) cosines, in float32: half precision and TF32 are too coarse for angles near 0."""
        with torch.autocast(embeddings.device.type, enabled=False), exact_products():
            return F.linear(F.normalize(embeddings.float(), dim=-1), F.normalize(self.weight.float(), dim=-1))


def aam_losses(cosines: torch.Tensor, labels: torch.Tensor, scale: float, margin: float) -> torch.Tensor:
    """AAM-softmax loss of each sample: -ln e^{s cos(th_y + m)} / (e^{s cos(th_y + m)} + sum_{j != y} e^{s cos th_j}).

    For angles above th_y = pi - m, cos(th_y + m) would rise again. There it is replaced by cos th_y - m sin m, so that
    the target falls over the whole range (as in the code of ArcFace).

    Args:
        cosines: (B, K).
        labels: (B,) int64.
        scale: s.
        margin: m in radians, 0 for none.

    Returns:
        (B,) losses.
    """
    target = cosines.gather(1, labels.unsqueeze(1))
    sine = (1 - target.square()).clamp(min=1e-12).sqrt()
    with_margin = target * math.cos(margin) - sine * math.sin(margin)
    with_margin = torch.where(target > -math.cos(margin), with_margin, target - margin * math.sin(margin))
    return F.cross_entropy(scale * cosines.scatter(1, labels.unsqueeze(1), with_margin), labels, reduction="none")
