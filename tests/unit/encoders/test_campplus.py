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
