"""One process among those of a training: alone nothing is exchanged; two share sums, means and the largest value."""

import pytest
import torch
from torch import nn

from dlglc.errors import RecipeError
from dlglc.training import distributed
from dlglc.training.distributed import (
    Processes,
    cuda_failure,
    explain_lost_process,
    gpu_remedy,
    read_places,
    unwrapped,
)


def test_a_single_process_exchanges_nothing(processes):
    assert (processes.rank, processes.world, processes.first) == (0, 1, True)
    assert processes.device == torch.device("cpu")
    x = torch.tensor([1.0, 2.0])
    assert processes.sum(x) is x and processes.mean(x) is x
    assert x.tolist() == [1.0, 2.0]
    assert processes.maximum(7) == 7
    assert processes.agree(7)
    module = nn.BatchNorm1d(2)
    assert processes.wrap(module) is module
    assert unwrapped(module) is module
    processes.wait()


def test_a_gpu_that_is_not_there_is_named():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    said = "is a build for CPUs" if torch.version.cuda is None else "check nvidia-smi|too old"
    with pytest.raises(RecipeError, match=f"--device cuda: torch finds no GPU: .*({said}).*, or pass --device cpu"):
        Processes("cuda")
    assert Processes("auto").device.type == "cpu"


def test_the_reason_why_torch_finds_no_gpu_becomes_a_remedy():
    """The words are those of torch.cuda.init (torch/cuda/__init__.py and c10/cuda/CUDAFunctions.cpp)."""
    old = "The NVIDIA driver on your system is too old (found version 11040). Please update it by ...\nMore"
    assert "update the driver, or install a build of torch for an older CUDA" in gpu_remedy(old)
    assert "found version 11040" in gpu_remedy(old) and "More" not in gpu_remedy(old)
    assert "build for CPUs" in gpu_remedy("Torch not compiled with CUDA enabled")
    none = "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver"
    assert gpu_remedy(none).startswith("check nvidia-smi and CUDA_VISIBLE_DEVICES (Found no NVIDIA driver")
    assert gpu_remedy("") == "check nvidia-smi and CUDA_VISIBLE_DEVICES"
    if torch.version.cuda is None:
        assert "not compiled" in cuda_failure()


@pytest.mark.parametrize("driver", [True, False])
def test_the_cpu_is_not_used_in_silence_where_there_is_a_gpu(driver, tmp_path, monkeypatch, caplog):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    if driver:
        (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(distributed, "DRIVER", tmp_path / "nvidiactl")
    assert Processes("auto").device.type == "cpu"
    assert ("this machine has a GPU, but the CPU is used" in caplog.text) == driver


@pytest.mark.parametrize("words", ["gloo: connection reset by peer", "NCCL communicator was aborted"])
def test_a_lost_process_is_explained(tmp_path, words):
    several = Processes("cpu")
    several.world = 2
    said = rf"{tmp_path}: another process of this training was lost"
    with pytest.raises(RecipeError, match=said), explain_lost_process(tmp_path, several):
        raise RuntimeError(words)


def test_other_errors_pass_through(tmp_path, processes):
    several = Processes("cpu")
    several.world = 2
    for which, error in (
        (several, RuntimeError("shapes differ")),
        (processes, RuntimeError("gloo")),
        (several, OSError()),
    ):
        with pytest.raises(type(error)) as found, explain_lost_process(tmp_path, which):
            raise error
        assert found.value is error


def test_two_processes_share_what_they_have(two_processes):
    found = [torch.load(two_processes / str(rank)) for rank in range(2)]
    for rank, values in enumerate(found):
        assert values["first"] == (rank == 0)
        assert values["sum"].tolist() == [3.0, 30.0]
        assert values["mean"].tolist() == [1.5, 15.0]
        assert values["maximum"] == 2
        assert values["quiet"] == (rank == 1)
        assert values["agree"] == [True, False, False]  # all, one other, the first alone
    # Each begins with weights of its own and is given those of the first; their gradients meet in the mean.
    assert torch.equal(found[0]["weight"], found[1]["weight"])
    for values in found:
        torch.testing.assert_close(values["gradient"], torch.tensor([[1.5, 1.5]]))


@pytest.mark.parametrize(
    ("variables", "places"),
    [
        ({}, (0, 1, 0)),
        ({"LOCAL_RANK": "3"}, (0, 1, 0)),
        ({"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}, (0, 1, 0)),
        ({"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "MASTER_ADDR": "a", "MASTER_PORT": "1"}, (5, 8, 1)),
        ({"RANK": "1"}, None),
        ({"WORLD_SIZE": "2"}, None),
        ({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}, None),
        ({"RANK": "2", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "a", "MASTER_PORT": "1"}, None),
        ({"RANK": "-1", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "a", "MASTER_PORT": "1"}, None),
    ],
)
def test_places_are_those_of_torchrun_or_refused(monkeypatch, variables, places):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
        if name in variables:
            monkeypatch.setenv(name, variables[name])
    if places is not None:
        assert read_places() == places
        return
    with pytest.raises(RecipeError, match=r"in the environment.*start with torchrun, or `unset RANK"):
        read_places()
