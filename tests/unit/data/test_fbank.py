"""The filter bank against kaldi-native-fbank."""

import numpy as np
import pytest
import soundfile
import torch

from dlglc.data.fbank import Fbank
from dlglc.errors import RecipeError
from dlglc.settings import load_settings
from dlglc.settings.schema import FbankSettings

knf = pytest.importorskip("kaldi_native_fbank")


def reference(samples, window, bins=80, scale=1.0):
    options = knf.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.window_type = window
    options.mel_opts.num_bins = bins
    fbank = knf.OnlineFbank(options)
    fbank.accept_waveform(16000, (samples * np.float32(scale)).tolist())
    fbank.input_finished()
    return np.stack([fbank.get_frame(i) for i in range(fbank.num_frames_ready)])


@pytest.mark.parametrize("window", ["povey", "hamming"])
def test_real_speech_against_kaldi_native_fbank(speechocean, window):
    fbank = Fbank(load_settings(FbankSettings, None, [f"window={window}"]))
    differences = []
    for path in sorted((speechocean / "eval/audio").glob("*/*"))[:400:10]:
        samples, _ = soundfile.read(path, dtype="int16")
        ours = fbank(torch.from_numpy(samples)[None])[0].numpy()
        theirs = reference(samples, window)
        assert ours.shape == theirs.shape
        differences.append(np.abs(ours - theirs).ravel())
    differences = np.concatenate(differences)
    assert differences.mean() <= 1e-4
    assert differences.max() <= 5e-2


@pytest.mark.parametrize("bins", [40, 80])
def test_noise_with_an_offset_against_kaldi_native_fbank(bins):
    samples = (900 + 2000 * np.random.default_rng(1).standard_normal(20011)).astype(np.int16)
    ours = Fbank(load_settings(FbankSettings, None, [f"num_mel_bins={bins}"]))(torch.from_numpy(samples)[None])[
        0
    ].numpy()
    np.testing.assert_allclose(ours, reference(samples, "povey", bins), atol=2e-3)


def test_a_batch_gives_what_its_rows_give(fbank):
    waves = torch.randint(-5000, 5000, (3, 8000), generator=torch.Generator().manual_seed(0)).short()
    together = fbank(waves)
    assert together.shape == (3, fbank.num_frames(8000), 80)
    for row in range(3):
        torch.testing.assert_close(fbank(waves[row : row + 1])[0], together[row], rtol=0, atol=1e-4)
    assert fbank.num_frames(fbank.num_samples(17)) == 17
    assert fbank.num_frames(fbank.num_samples(17) - 1) == 16


def test_digital_silence_is_finite(fbank):
    assert torch.isfinite(fbank(torch.zeros(1, 4000))).all()


def test_impossible_settings_are_named():
    with pytest.raises(RecipeError, match="low_freq"):
        Fbank(load_settings(FbankSettings, None, ["high_freq=9000"]))
    with pytest.raises(RecipeError, match="window"):
        Fbank(load_settings(FbankSettings, None, ["window=hanning"]))
    with pytest.raises(RecipeError, match="num_mel_bins"):
        Fbank(load_settings(FbankSettings, None, ["num_mel_bins=200"]))


def test_near_silence_ends_at_the_floor_of_the_full_scale():
    """Samples of a few steps: with a full scale of 1 their energies are below the floor, in int16 range above it."""
    samples = np.random.default_rng(2).integers(-2, 3, 8000).astype(np.int16)
    found = []
    for scale in (32768, 1):
        fbank = Fbank(load_settings(FbankSettings, None, [f"full_scale={scale}"]))
        found.append(fbank(torch.from_numpy(samples)[None])[0].numpy())
        np.testing.assert_allclose(found[-1], reference(samples, "povey", scale=scale / 32768), atol=2e-3)
    floor = np.log(np.finfo(np.float32).eps)
    assert found[0].min() > floor + 1
    assert (found[1] <= floor + 1e-5).mean() > 0.1
