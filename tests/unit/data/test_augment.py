"""Augmentation against numpy: levels, responses and noise, and how often each is drawn."""

import numpy as np
import pytest
import soundfile
import torch

from dlglc.data import augment
from dlglc.data.audio import KeptRecordings, Recordings
from dlglc.data.augment import Augmenter, fast_length
from dlglc.data.tables import write_data_dir
from dlglc.errors import RecipeError
from dlglc.settings import load_settings
from dlglc.settings.schema import AugmentSettings


def augmenter(tiny, *words, noise=True, rirs=True):
    """An augmenter of the tiny corpus with settings changed by words."""
    settings = load_settings(AugmentSettings, None, list(words))
    return Augmenter(settings, tiny / "noise" if noise else None, tiny / "rirs" if rirs else None, 16000)


def response_of(tiny):
    """The second impulse response, a WAV of floats, as 16 bits."""
    return np.clip(np.rint(32768 * soundfile.read(tiny / "wav/rir1.wav")[0]), -32768, 32767).astype(np.int16)


def drawn(augmenter, count=400, samples=160):
    rng = np.random.default_rng(0)
    return [augmenter.draw(rng, samples) for _ in range(count)]


def test_augmentation_keeps_level_and_meets_the_snr(crops):
    generator = torch.Generator().manual_seed(0)
    waves = torch.randn(4, 16000, generator=generator) * 1000
    plan = {
        "rir_row": torch.tensor([0, 3]),
        "rir": torch.tensor([0, 1]),
        "noise_row": torch.tensor([1]),
        "noise": (torch.randn(1, 16000, generator=generator) * 50).short(),
        "snr": torch.tensor([10.0]),
    }
    out = crops.augmenter.apply(waves, plan)
    torch.testing.assert_close(out[2], waves[2])
    torch.testing.assert_close(out[[0, 3]].square().mean(1), waves[[0, 3]].square().mean(1))
    noise = out[1] - waves[1]
    assert 10 * torch.log10(waves[1].square().mean() / noise.square().mean()) == pytest.approx(10.0, abs=0.05)


def test_reverberation_against_numpy_and_responses_loaded_where_applied(crops, tiny):
    augmenter = crops.augmenter
    crops.batch(0, np.arange(24))
    assert augmenter.bank is None  # a worker that only draws never holds them
    rng = np.random.default_rng(0)
    waves = 1000 * rng.standard_normal((2, 8000))
    none = {"noise_row": torch.zeros(0, dtype=torch.int64)}
    plan = {"rir_row": torch.tensor([1]), "rir": torch.tensor([1]), **none}
    ours = augmenter.apply(torch.from_numpy(waves).float(), plan)
    assert augmenter.bank.shape == (2, 16000) and augmenter.bank.dtype == torch.int16
    response = response_of(tiny).astype(np.float64)
    wet = np.convolve(waves[1], response[np.abs(response).argmax() :])[:8000]
    wet *= np.sqrt(np.square(waves[1]).sum() / np.square(wet).sum())
    np.testing.assert_allclose(ours[1].numpy(), wet, atol=0.01)
    np.testing.assert_array_equal(ours[0].numpy(), waves[0].astype(np.float32))


def test_spectra_are_kept_where_they_are_small_and_change_nothing(crops, monkeypatch):
    batch = crops.batch(0, np.arange(24))
    found = []
    for most in (augment.SPECTRA_BYTES, 0):
        monkeypatch.setattr(augment, "SPECTRA_BYTES", most)
        crops.augmenter.spectra.clear()
        for v in (0, 1, 0):
            plan = {key: batch[f"{key}{v}"] for key in augment.PLAN}
            assert len(plan["rir_row"]) > 0
            found.append(crops.augmenter.apply(batch[f"wave{v}"], plan))
        assert len(crops.augmenter.spectra) == (2 if most else 0)
    for kept, anew in zip(found[:3], found[3:]):
        torch.testing.assert_close(kept, anew, rtol=1e-6, atol=1e-3)


def test_noise_is_the_same_from_memory_and_from_files(tiny, monkeypatch):
    found = {}
    for most, kind in ((augment.KEPT_SAMPLES, KeptRecordings), (0, Recordings)):
        monkeypatch.setattr(augment, "KEPT_SAMPLES", most)
        source = augmenter(tiny, "probability=1", "reverb_share=0")
        assert type(source.noises) is kind
        rng = np.random.default_rng(0)
        found[most] = [source.draw(rng, samples) for samples in (160, 16_000, 16_000, 900_000) for _ in range(20)]
    for kept, read in zip(*found.values()):
        assert kept[:2] == read[:2]
        np.testing.assert_array_equal(kept[2], read[2])


def test_a_plan_is_applied_to_a_copy(crops):
    batch = crops.batch(0, np.arange(24))
    plan = {key: batch[f"{key}0"] for key in augment.PLAN}
    before = batch["wave0"].clone()
    whole, wide = crops.augmenter.apply(batch["wave0"], plan), before.float()
    assert whole.dtype == torch.float32
    assert torch.equal(crops.augmenter.apply(wide, plan), whole)
    assert torch.equal(batch["wave0"], before) and torch.equal(wide, before.float())


def test_lengths_of_ffts_are_fast():
    for n in (1, 7, 1129, 40959, 44799):
        size = fast_length(n)
        assert n <= size < 1.2 * n + 1
        for prime in (2, 3, 5):
            while size % prime == 0:
                size //= prime
        assert size == 1


def test_a_noise_of_unknown_kind_is_named(tiny):
    settings = load_settings(AugmentSettings).model_copy(update={"snr_db": {"noise": [0.0, 15.0]}})
    with pytest.raises(RecipeError, match="no SNR range for the kind 'babble': its 2nd column must be one of noise"):
        Augmenter(settings, tiny / "noise", None, 16000)


def test_fast_lengths_are_the_smallest_of_their_kind():
    smooth = sorted(2**a * 3**b * 5**c for a in range(13) for b in range(9) for c in range(6))
    for n in range(1, 2050):
        assert fast_length(n) == next(size for size in smooth if size >= n)


def test_shares_of_what_is_drawn(tiny):
    mixed = drawn(augmenter(tiny, "probability=0.6", "reverb_share=0.25", "both_share=0.2"), 4000)
    rir, noise = np.array([r >= 0 for r, _, _ in mixed]), np.array([n is not None for _, _, n in mixed])
    # Six standard deviations of a share of 4,000 draws are below 0.05.
    assert (rir | noise).mean() == pytest.approx(0.6, abs=0.05)
    assert (rir & noise).mean() == pytest.approx(0.6 * 0.2, abs=0.05)
    assert (rir & ~noise).mean() == pytest.approx(0.6 * 0.8 * 0.25, abs=0.05)
    assert {r for r, _, _ in mixed} == {-1, 0, 1}


@pytest.mark.parametrize(
    ("words", "sources", "rir", "noise"),
    [
        (["probability=0"], {}, False, False),
        (["reverb_share=1"], {}, True, False),
        (["reverb_share=0"], {}, False, True),
        (["both_share=1"], {}, True, True),
        (["both_share=1"], {"rirs": False}, False, True),
        (["both_share=1", "reverb_share=0"], {"noise": False}, True, False),
        ([], {"noise": False, "rirs": False}, False, False),
    ],
)
def test_what_is_missing_is_not_drawn(tiny, words, sources, rir, noise):
    for row, _, clip in drawn(augmenter(tiny, *words, **sources), 20):
        assert (row >= 0) == rir
        assert (clip is not None) == noise


def test_noise_is_of_its_kind_and_in_its_range(tiny):
    ranges = {"noise": (0, 15), "babble": (10, 30), "music": (5, 15)}
    clips = {kind: soundfile.read(tiny / f"wav/{kind}.wav", dtype="int16")[0] for kind in ranges}
    seen = {kind: [] for kind in ranges}
    for _, snr, noise in drawn(augmenter(tiny, "reverb_share=0"), 300, 800):
        kind = next(k for k, clip in clips.items() if noise.tobytes() in clip.tobytes())
        seen[kind].append(snr)
    for kind, (low, high) in ranges.items():
        assert low <= min(seen[kind]) < low + 0.2 * (high - low)
        assert high - 0.2 * (high - low) < max(seen[kind]) <= high


def test_a_plan_has_the_rows_of_what_was_drawn():
    noise = np.arange(4, dtype=np.int16)
    plan = Augmenter.plan([(-1, 0.0, None), (7, 0.0, None), (-1, 5.0, noise), (3, 9.0, noise + 10)], 4)
    assert {key: part.tolist() for key, part in plan.items()} == {
        "rir_row": [1, 3],
        "rir": [7, 3],
        "noise_row": [2, 3],
        "noise": [[0, 1, 2, 3], [10, 11, 12, 13]],
        "snr": [5.0, 9.0],
    }
    empty = Augmenter.plan([(-1, 0.0, None)], 4)
    assert [tuple(part.shape) for part in empty.values()] == [(0,), (0,), (0,), (0, 4), (0,)]


def test_a_crop_with_both_has_the_noise_over_its_reverberation(crops):
    generator = torch.Generator().manual_seed(0)
    waves = torch.randn(2, 8000, generator=generator) * 1000
    noise = (torch.randn(2, 8000, generator=generator) * 50).short()
    rows, none = torch.tensor([0, 1]), torch.zeros(0, dtype=torch.int64)
    reverb = {"rir_row": rows, "rir": rows}
    noisy = {"noise_row": rows, "noise": noise, "snr": torch.tensor([5.0, 20.0])}
    both = crops.augmenter.apply(waves, {**reverb, **noisy})
    wet = crops.augmenter.apply(waves, {**reverb, "noise_row": none})
    torch.testing.assert_close(both, crops.augmenter.apply(wet, {"rir_row": none, **noisy}))


def test_responses_are_cut_and_an_unreadable_one_is_named(tiny, tmp_path):
    short = augmenter(tiny, "max_rir_seconds=0.01")
    plan = {"rir_row": torch.tensor([0]), "rir": torch.tensor([1]), "noise_row": torch.zeros(0, dtype=torch.int64)}
    short.apply(torch.ones(1, 400), plan)
    assert short.bank.shape == (2, 160)
    response = response_of(tiny)
    peak = np.abs(response.astype(np.float32)).argmax()
    np.testing.assert_array_equal(short.bank[1].numpy(), response[peak:][:160])
    (tmp_path / "rir.wav").write_bytes(b"RIFF")
    write_data_dir(tmp_path, {"rir": str(tmp_path / "rir.wav")}, {"rir": "room"})
    broken = Augmenter(load_settings(AugmentSettings), None, tmp_path, 16000)
    with pytest.raises(RecipeError, match=r"wav\.scp:1: rir: "):
        broken.apply(torch.ones(1, 400), {**plan, "rir": torch.tensor([0])})
