"""Variants with smaller weights: what keeps its bits, and a missing package."""

import sys

import numpy as np
import onnx
import pytest

from dlglc.bundles.container import ONNX, read_bundle
from dlglc.bundles.variants import front_weights, half_weights, int8_weights
from dlglc.errors import RecipeError


@pytest.fixture(scope="module")
def network(bundles):
    return read_bundle(bundles.unlabelled).parts[ONNX]


def types(content):
    weights = onnx.load_from_string(content).graph.initializer
    return {weight.name: onnx.numpy_helper.to_array(weight).dtype for weight in weights}


@pytest.mark.parametrize(("variant", "narrow"), [(half_weights, np.float16), (int8_weights, np.uint8)])
def test_the_filter_bank_keeps_its_bits(network, variant, narrow):
    kept = front_weights(onnx.load_from_string(network))
    assert kept == {"spectrum", "mel"}
    found = types(variant(network))
    assert {found[name] for name in kept} == {np.dtype(np.float32)}
    assert np.dtype(narrow) in found.values()


def test_a_missing_package_is_named(network, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(RecipeError, match="pip install onnx"):
        half_weights(network)
