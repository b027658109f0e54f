"""Which float32 products may be rounded to TF32: torch's switches exist without a GPU, and this test watches them."""

import pytest
import torch

from dlglc import precision
from dlglc.precision import (
    HOURS_WORTH_TUNING,
    compiled_forms,
    exact_products,
    use_exact_products,
    use_training_kernels,
)
from dlglc.rounds.classifier import AamSoftmax


@pytest.fixture(autouse=True)
def switches(monkeypatch):
    """Bring the switches back to what they were."""
    monkeypatch.setattr(precision, "_compiled", False)
    cudnn = torch.backends.cudnn
    before = torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark
    yield
    torch.set_float32_matmul_precision(before[0])
    cudnn.allow_tf32, cudnn.benchmark = before[1:]


def state():
    return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark


def test_only_a_training_uses_tf32_and_only_a_long_one_tries_kernels_and_compiles():
    use_exact_products()
    assert state() == ("highest", False, False)
    assert not compiled_forms()
    for hours, is_long in ((HOURS_WORTH_TUNING, True), (0.9 * HOURS_WORTH_TUNING, False)):
        use_training_kernels(hours)
        assert state() == ("high", True, is_long)
        assert compiled_forms() is is_long


def test_some_products_of_a_training_are_exact():
    use_training_kernels(1.0)
    with exact_products():
        assert torch.get_float32_matmul_precision() == "highest"
    assert torch.get_float32_matmul_precision() == "high"
    with pytest.raises(ValueError), exact_products():
        raise ValueError
    assert torch.get_float32_matmul_precision() == "high"


@pytest.mark.parametrize("what", ["energies", "cosines"])
def test_energies_and_cosines_are_exact_in_a_training(what, fbank, monkeypatch):
    seen = []

    def watch(name, owner):
        inner = getattr(owner, name)

        def watched(*args, **kwargs):
            seen.append(torch.get_float32_matmul_precision())
            return inner(*args, **kwargs)

        monkeypatch.setattr(owner, name, watched)

    use_training_kernels(1.0)
    if what == "energies":
        watch("_energies", type(fbank))
        fbank(torch.zeros(1, 1600))
    else:
        watch("linear", torch.nn.functional)
        AamSoftmax(4, 3, 32.0)(torch.ones(2, 4))
    assert seen == ["highest"]
    assert torch.get_float32_matmul_precision() == "high"
