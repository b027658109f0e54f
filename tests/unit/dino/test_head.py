"""DINO's head: cosines with unit prototypes."""

import torch

from dlglc.dino.head import DinoHead


def test_dino_head_gives_cosines_with_unit_prototypes():
    head = DinoHead(6, 16, 4, 10).eval()
    head.last.weight.data.mul_(7)  # the gain of the weight norm is frozen at 1
    outputs = head(torch.randn(5, 6))
    assert outputs.shape == (5, 10)
    assert outputs.abs().max() <= 1 + 1e-5


def test_outputs_are_cosines_of_the_bottleneck_with_the_prototypes():
    torch.manual_seed(0)
    head = DinoHead(6, 16, 4, 10).eval()
    x = torch.randn(5, 6)
    expected = torch.cosine_similarity(head.mlp(x)[:, None], head.last.weight[None], dim=-1)
    torch.testing.assert_close(head(x), expected)
    assert [layer.bias.abs().max().item() for layer in head.mlp if isinstance(layer, torch.nn.Linear)] == [0, 0, 0]
