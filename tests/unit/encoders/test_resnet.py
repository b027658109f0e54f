"""Parts of ResNets: statistics over time, and blocks against the formula."""

import pytest
import torch
from torch.nn import functional as F

from dlglc.encoders.resnet import BasicBlock, Bottleneck, ResNet34, ResNet221, ResNet293, statistics


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_statistics_are_unbiased_and_of_one_frame_finite(dtype):
    torch.manual_seed(0)
    x = (10 + torch.randn(2, 3, 9)).to(dtype)
    found = statistics(x)
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(found, torch.cat([x.to(found.dtype).mean(-1), x.to(found.dtype).std(-1)], 1))
    one = x[..., :1].requires_grad_()
    statistics(one).sum().backward()
    assert (statistics(one)[:, 3:] < 1e-3).all()
    assert one.grad.isfinite().all()


@pytest.mark.parametrize(("outputs", "stride"), [(4, (1, 1)), (4, (2, 1)), (6, (2, 2))])
def test_a_block_is_two_convolutions_and_a_shortcut(outputs, stride):
    torch.manual_seed(0)
    block = BasicBlock(4, outputs, stride).eval()
    x = torch.randn(2, 4, 9, 11)
    first, norm, _, second, last = block.body
    inside = last(F.conv2d(F.relu(norm(F.conv2d(x, first.weight, stride=stride, padding=1))), second.weight, padding=1))
    beside = x if (outputs, stride) == (4, (1, 1)) else block.shortcut(x)
    torch.testing.assert_close(block(x), F.relu(inside + beside))
    assert block(x).shape == (2, outputs, -(-9 // stride[0]), -(-11 // stride[1]))


@pytest.mark.parametrize(("inputs", "stride"), [(8, (1, 1)), (8, (2, 1)), (6, (2, 2))])
def test_a_bottleneck_is_three_convolutions_and_a_shortcut(inputs, stride):
    torch.manual_seed(0)
    block = Bottleneck(inputs, 8, stride).eval()
    x = torch.randn(2, inputs, 9, 11)
    narrow, first, _, middle, second, _, wide, last = block.body
    assert narrow.weight.shape[:2] == (2, inputs)
    y = F.relu(first(F.conv2d(x, narrow.weight)))
    y = F.relu(second(F.conv2d(y, middle.weight, stride=stride, padding=1)))
    beside = x if (inputs, stride) == (8, (1, 1)) else block.shortcut(x)
    torch.testing.assert_close(block(x), F.relu(last(F.conv2d(y, wide.weight)) + beside))


@pytest.mark.parametrize(("kind", "layers"), [(ResNet34, 34), (ResNet221, 221), (ResNet293, 293)])
def test_depths(kind, layers):
    convolutions = {BasicBlock: 2, Bottleneck: 3}[kind.block]
    assert convolutions * sum(kind.groups) + 2 == layers


@pytest.mark.parametrize("bins", [80, 37])
def test_frequency_is_divided_by_eight(bins):
    for kind, width in ((ResNet34, 16), (ResNet221, 64)):
        model = kind(bins, 2, 6)
        assert model.embedding.in_features == 2 * width * -(-bins // 8)
        assert model(torch.randn(2, 20, bins)).shape == (2, 6)
