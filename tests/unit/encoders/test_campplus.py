"""CAM++'s parts: the mask frame by frame, and what dense layers add."""

import torch

from dlglc.encoders.campplus import GROWTH, SEGMENT, CamPlusPlus, DenseLayer, FrontEnd, MaskedConv


def test_masks_of_campplus_frame_by_frame():
    """The mask of a frame is made of the means of its utterance and of its segment (section 2.2)."""
    torch.manual_seed(0)
    layer = MaskedConv(8, 3, 2).double()
    x = torch.randn(2, 8, 2 * SEGMENT + 30, dtype=torch.float64)
    output, plain = layer(x), layer.conv(x)
    for t in (0, SEGMENT - 1, SEGMENT, 2 * SEGMENT + 29):
        first = t // SEGMENT * SEGMENT
        context = x.mean(-1) + x[..., first : first + SEGMENT].mean(-1)
        hidden = (context @ layer.down.weight.squeeze(-1).T + layer.down.bias).relu()
        mask = (hidden @ layer.up.weight.squeeze(-1).T + layer.up.bias).sigmoid()
        torch.testing.assert_close(output[..., t], plain[..., t] * mask)


def test_a_dense_layer_keeps_what_came_in():
    layer, x = DenseLayer(8, 2).eval(), torch.randn(2, 8, 30)
    assert torch.equal(layer(x)[:, :8], x)
    assert layer(x).shape == (2, 8 + GROWTH, 30)


def test_the_front_end_divides_frequency_by_eight():
    for bins in (80, 41):
        front = FrontEnd(bins, 4)
        maps = front(torch.randn(2, 21, bins))
        assert maps.shape == (2, front.outputs, 21)
        assert front.outputs == 4 * -(-bins // 8)


def test_frames_of_any_number_have_a_mask():
    model = CamPlusPlus(80, 16, 6).eval()
    for frames in (1, 2, 2 * SEGMENT, 2 * SEGMENT + 1):
        assert model(torch.randn(1, frames, 80)).isfinite().all()
