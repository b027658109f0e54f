"""ONNX networks: they give what they compute, and what is none raises."""

import io

import numpy as np
import pytest
import torch
from torch import nn

from dlglc.errors import RecipeError
from dlglc.networks import open_network, run_network

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_a_network_runs_with_the_threads_that_are_granted(monkeypatch):
    torch.manual_seed(0)
    layer, buffer = nn.Linear(3, 2), io.BytesIO()
    torch.onnx.export(
        layer, (torch.zeros(1, 3),), buffer, input_names=["x"], dynamic_axes={"x": {0: "B"}}, dynamo=False
    )
    x = torch.randn(5, 3)
    for threads in ("0", "1"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        network = open_network(buffer.getvalue())
        assert network.get_session_options().intra_op_num_threads == int(threads)
        np.testing.assert_allclose(run_network(network, None, {"x": x.numpy()})[0], layer(x).detach(), rtol=1e-5)
    with pytest.raises(RecipeError, match=r"this network cannot be run: .*output name:y"):
        run_network(network, ["y"], {"x": x.numpy()})


def test_bytes_that_are_no_network_raise(capfd):
    with pytest.raises(RecipeError, match=r"not an ONNX network, or damaged: .*protobuf"):
        open_network(b"no network")
    assert capfd.readouterr() == ("", "")
