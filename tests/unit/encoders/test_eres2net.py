"""ERes2Net: fusion and blocks by the formulas of the paper, and the order in which groups are fused."""

import pytest
import torch
from torch.nn import functional as F

from dlglc.encoders.eres2net import CEILING, ERes2Net, ERes2NetV2, Fusion, Res2Block, clipped


def settled(module, *shapes):
    """The module in evaluation mode, with statistics that are not the initial ones."""
    for _ in range(3):
        module(*(torch.randn(shape) for shape in shapes))
    return module.eval()


def test_a_fusion_weighs_two_maps_by_both():
    torch.manual_seed(0)
    fusion = settled(Fusion(8), (4, 8, 5, 6), (4, 8, 5, 6))
    x, y = torch.randn(2, 8, 5, 6), torch.randn(2, 8, 5, 6)
    down, first, _, up, second = fusion.weigh
    assert down.weight.shape[:2] == (2, 16)
    both = torch.cat([x, y], 1)
    inside = first(torch.einsum("oi,bift->boft", down.weight[..., 0, 0], both) + down.bias[:, None, None])
    inside = inside * torch.sigmoid(inside)  # SiLU
    weight = 1 + torch.tanh(
        second(torch.einsum("oi,bift->boft", up.weight[..., 0, 0], inside) + up.bias[:, None, None])
    )
    torch.testing.assert_close(fusion(x, y), weight * x + (2 - weight) * y)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(("inputs", "stride", "scale"), [(12, (1, 1), 2), (12, (2, 2), 3), (10, (1, 1), 4)])
def test_a_group_also_gets_the_output_before(fused, inputs, stride, scale):
    torch.manual_seed(0)
    block = settled(Res2Block(inputs, 12, 4, scale, stride, fused), (4, inputs, 8, 9))
    x = torch.randn(2, inputs, 8, 9)
    groups = block.first[1](F.conv2d(x, block.first[0].weight, stride=stride)).clamp(0, CEILING).split(4, 1)
    outputs = []
    for number, group in enumerate(groups):
        if number:
            group = block.fusions[number - 1](outputs[-1], group) if fused else outputs[-1] + group
        conv, norm = block.convs[number]
        outputs.append(norm(F.conv2d(group, conv.weight, padding=1)).clamp(0, CEILING))
    beside = x if (inputs, stride) == (12, (1, 1)) else block.shortcut(x)
    torch.testing.assert_close(block(x), (block.last(torch.cat(outputs, 1)) + beside).clamp(0, CEILING))
    assert len(block.fusions) == (scale - 1 if fused else 0)


def test_activations_have_a_ceiling():
    assert clipped(torch.tensor([-1.0, 3.0, 25.0])).tolist() == [0, 3, 20]


@pytest.mark.parametrize(("kind", "joined"), [(ERes2Net, 0), (ERes2NetV2, 2)])
@torch.no_grad()
def test_groups_are_fused_from_the_bottom_up(kind, joined):
    torch.manual_seed(0)
    model = settled(kind(16, 8, 6), (4, 40, 16))
    feats = torch.randn(2, 33, 16)
    x = model.stem(feats.transpose(1, 2).unsqueeze(1))
    outputs = []
    for group in model.groups:
        x = group(x)
        outputs.append(x)
    fused = outputs[joined]
    for place, output in enumerate(outputs[joined + 1 :]):
        fused = model.fusions[place](output, F.conv2d(fused, model.downs[place].weight, stride=2, padding=1))
    frames = fused.flatten(1, 2)
    expected = model.embedding(torch.cat([frames.mean(2), (frames.var(2) + 1e-8).sqrt()], 1))
    torch.testing.assert_close(model(feats), expected, rtol=1e-4, atol=1e-5)
    assert len(model.fusions) == len(model.downs) == 3 - joined


def test_blocks_of_the_last_two_groups_are_fused_inside():
    fused = [{len(block.fusions) for block in group} for group in ERes2NetV2(16, 8, 6, scale=3).groups]
    assert fused == [{0}, {0}, {2}, {2}]
