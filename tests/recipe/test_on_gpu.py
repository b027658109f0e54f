"""What a GPU has to give as the CPU does: the first thing to run where there is a new one.

tests/run.sh tests/recipe/test_on_gpu.py. GPU_TESTS_ON=cpu runs these tests on the CPU, to test the tests themselves.
"""

import os

import numpy as np
import pytest
import soundfile
import torch

from dlglc.clusters.kmeans import kmeans
from dlglc.data.arks import read_embeddings
from dlglc.data.fbank import Fbank, encoder_input
from dlglc.encoders import ENCODERS, build_encoder
from dlglc.encoders.pooling import fused_statistics, plain_statistics, weighted_statistics
from dlglc.precision import use_exact_products
from dlglc.settings import load_settings
from dlglc.settings.schema import DinoSettings, FbankSettings
from support.training import dino_arguments, lines, round_arguments

DEVICE = os.environ.get("GPU_TESTS_ON", "cuda")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="no GPU here"),
]
SHORT = ["epochs=2", "average_epochs=1"]


@pytest.fixture(scope="module", autouse=True)
def full_float32():
    """No TF32 in what a test starts. Products rounded as TF32 rounds them change the last of the losses below by up to
    1 % (four seeds on a CPU), another order of sums by 0.05 %, and faults shall not hide among the former."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NVIDIA_TF32_OVERRIDE", "0")
        yield patch


@pytest.fixture(scope="module")
def pretrain(tiny, script, tmp_path_factory):
    """pretrain(device, "key=value", …) → the folder of two epochs of DINO."""

    def train(device, *words, options=(), check=True):
        out = tmp_path_factory.mktemp("dino")
        options = ["--device", device, *options]
        script("steps/train_dino.py", *dino_arguments(tiny, out, *SHORT, *words, options=options), check=check)
        return out

    return train


@pytest.fixture(scope="module")
def reference(pretrain):
    """DINO on the CPU."""
    return pretrain("cpu")


def losses(out) -> list[float]:
    return [line["loss"] for line in lines(out / "metrics.jsonl")]


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 2e-3), ("bfloat16", 3e-2), ("float16", 1e-1)])
def test_dino_has_the_losses_of_the_cpu(pretrain, reference, precision, tolerance):
    """In float16 the first updates are left out until the scale of the loss fits. One of the eight that is missing
    changes the loss of the last epoch by 4 %, three by 5 %."""
    if DEVICE == "cpu" and precision == "float16":
        pytest.skip("CPUs do not train in float16")
    out = pretrain(DEVICE, f"precision={precision}")
    assert losses(out) == pytest.approx(losses(reference), rel=tolerance)
    assert DEVICE == "cpu" or lines(out / "metrics.jsonl")[-1]["gpu_gib"] > 0


def test_dino_in_tf32_has_nearly_the_losses_of_the_cpu(pretrain, reference, full_float32):
    with full_float32.context() as patch:
        patch.delenv("NVIDIA_TF32_OVERRIDE")
        out = pretrain(DEVICE)
    assert losses(out) == pytest.approx(losses(reference), rel=2e-2)


def test_reading_processes_and_parts_of_a_step(pretrain, reference):
    """Both change how batches come to the device. Batch norm sees smaller parts, so only the losses are near."""
    assert losses(pretrain(DEVICE, "workers=2")) == pytest.approx(losses(reference), rel=2e-3)
    assert losses(pretrain(DEVICE, "accumulate=2", "workers=1")) == pytest.approx(losses(reference), rel=0.1)


def test_a_stopped_training_goes_on(tiny, script, reference, tmp_path):
    stopped = ["--device", DEVICE, "--max-hours", "0"]
    words = dino_arguments(tiny, tmp_path / "out", *SHORT, "checkpoint_minutes=0", options=stopped)
    for _ in range(20):
        done = script("steps/train_dino.py", *words, check=False)
        if done.returncode == 0:
            break
        assert "the same command resumes" in done.stderr
    assert done.returncode == 0
    assert losses(tmp_path / "out") == pytest.approx(losses(reference), rel=5e-3)


def test_a_round_has_the_losses_of_the_cpu(tiny, script, reference, tmp_path):
    labels = tmp_path / "utt2cluster"
    utts = [line.split()[0] for line in (tiny / "train/wav.scp").read_text().splitlines()]
    labels.write_text("".join(f"{utt} {int(utt[1])}\n" for utt in utts))
    found = {}
    for device in ("cpu", DEVICE):
        out = tmp_path / f"round-{device}"
        options = ["--device", device, "--overwrite"]
        script("steps/train_dlglc.py", *round_arguments(tiny, labels, reference, out, options=options))
        found[device] = lines(out / "metrics.jsonl")
    # A gate of 24 labels: when one of them changes sides, so do the losses of all later epochs.
    for one, other in zip(found["cpu"], found[DEVICE], strict=True):
        assert other["aam"] == pytest.approx(one["aam"], rel=1e-2)
        assert other["gate"] == one["gate"]


def test_embeddings_are_those_of_the_cpu(tiny, script, reference, tmp_path):
    """In full float32: only the order of sums differs."""
    for device in ("cpu", DEVICE):
        model, out = reference / "model.pt", tmp_path / device
        script("steps/extract_embeddings.py", "--device", device, model, tiny / "train", out)
    (ids, one), (same, other) = (read_embeddings(tmp_path / device / "embedding.scp") for device in ("cpu", DEVICE))
    assert ids == same
    assert np.abs(one - other).max() <= 2e-4 * np.abs(one).max()


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_real_speech_has_the_embeddings_of_the_cpu(name, librispeech):
    """Filter bank and encoder of each family, on whole recordings of many lengths."""
    use_exact_products()
    torch.manual_seed(0)
    sizes = {"encoder.channels": {"campplus": 128, "eres2netv2": 64}.get(name, 32), "encoder.aggregate": 0}
    settings = load_settings(DinoSettings, None, [f"encoder.name={name}", *(f"{k}={v}" for k, v in sizes.items())])
    encoder, fbank = build_encoder(settings.encoder, 80).eval(), Fbank(load_settings(FbankSettings))
    found = {}
    for device in ("cpu", DEVICE):
        encoder, fbank = encoder.to(device), fbank.to(device)
        with torch.inference_mode():
            found[device] = torch.cat([
                encoder(encoder_input(torch.from_numpy(wave[:80_000] * 32768)[None].to(device), fbank)).cpu()
                for wave in (soundfile.read(path, dtype="float32")[0] for path in some(librispeech))
            ])  # fmt: skip
    one, other = found["cpu"], found[DEVICE]
    assert (one - other).abs().max() <= 1e-3 * one.abs().max()
    assert 1 - torch.nn.functional.cosine_similarity(one, other).min() < 1e-5


def some(corpus) -> list:
    """Recordings of five readers."""
    lines = [line.split() for line in (corpus / "eval/wav.scp").read_text().splitlines()]
    return [corpus / place for _, place in lines[:: len(lines) // 5][:5]]


def test_clusters_are_those_of_the_cpu():
    rng = np.random.default_rng(0)
    x = (
        rng.standard_normal((20_000, 96), dtype=np.float32)
        + 3 * rng.standard_normal((50, 96))[rng.integers(50, size=20_000)]
    )
    one, other = (kmeans(x, 50, init=x[:50], max_iter=10, device=device) for device in ("cpu", DEVICE))
    assert (one.labels == other.labels).mean() > 0.999
    assert one.objective == pytest.approx(other.objective, rel=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 2e-2)])
def test_pooling_is_compiled_and_gives_the_same(dtype, tolerance):
    plain, weighted = fused_statistics(DEVICE, 96, dtype)
    assert plain is not plain_statistics, "torch.compile does not work on this device"
    for batch, frames in ((8, 100), (6, 150), (8, 51)):
        logits, x = (torch.randn(batch, frames, 96, device=DEVICE).to(dtype).requires_grad_() for _ in "ab")
        for fused, form, inputs in ((plain, plain_statistics, (x,)), (weighted, weighted_statistics, (logits, x))):
            found, expected = fused(*inputs), form(*inputs)
            gradients = (torch.autograd.grad(one.square().sum(), inputs) for one in (found, expected))
            for one, other in zip((found, *next(gradients)), (expected, *next(gradients))):
                assert (one - other).abs().max() <= tolerance * other.abs().max()
