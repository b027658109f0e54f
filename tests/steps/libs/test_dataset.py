"""Batches: each utterance once, the same for one process and for several, functions of (seed, epoch, utterance)."""

import numpy as np
import pytest
import torch
from libs.augment import Augmenter, fast_length, fft_convolve
from libs.cli import RecipeError
from libs.config import load_config
from libs.dataset import Batches, Crops, Views
from libs.fbank import Fbank


@pytest.fixture(scope="module")
def fbank():
    return Fbank(load_config("fbank"))


@pytest.fixture
def crops(tiny, fbank):
    augmenter = Augmenter(load_config("augment"), tiny / "noise", tiny / "rirs", 16000)
    return Crops(tiny / "train", fbank, [(2, 1.0), (3, 0.5)], augmenter, seed=5)


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [5, 7, 24, 100])
def test_every_utterance_once_an_epoch_and_batches_within_one(crops, batch_size, world):
    ranks = [Batches(crops, batch_size, rank, world) for rank in range(world)]
    for epoch in (0, 1):
        for part in ranks:
            part.set_epoch(epoch)
        assert len({len(part.rows) for part in ranks}) == 1
        seen = np.concatenate([rows for part in ranks for rows in part.rows])
        assert sorted(seen) == list(range(24))
        sizes = [len(rows) for part in ranks for rows in part.rows]
        assert max(sizes) - min(sizes) <= 1 + (world > 1)
        assert min(sizes) >= 2


def test_several_processes_share_the_batches_of_one(crops):
    one = Batches(crops, 8)
    two = [Batches(crops, 8, rank, 2) for rank in range(2)]
    for step in range(len(one)):
        assert sorted(one.rows[step]) == sorted(np.concatenate([t.rows[step] for t in two]))


def test_parts_of_a_step_are_taken_one_after_the_other(crops):
    whole, parts = Batches(crops, 11, 1, 2), Batches(crops, 11, 1, 2, parts=2)
    assert whole.num_steps == parts.num_steps == 3
    for step, rows in enumerate(whole.rows):
        assert np.concatenate(parts.rows[2 * step : 2 * step + 2]).tolist() == rows.tolist()
    last = [batch["index"].tolist() for batch in parts.loader(0, 2, 0, False)]
    assert last == [rows.tolist() for rows in parts.rows[4:]]


def test_crops_depend_on_seed_epoch_and_utterance_only(crops):
    alone = crops.batch(3, np.array([7]))
    among = crops.batch(3, np.array([2, 7, 11]))
    for c in range(2):
        torch.testing.assert_close(alone["wave0"][c], among["wave0"][3 * c + 1])
    assert alone["rir0"].tolist() == [among["rir0"][1].item(), among["rir0"][4].item()]
    other = crops.batch(4, np.array([7]))
    assert not torch.equal(alone["wave0"], other["wave0"])


def test_views_have_the_frames_asked_for_and_zero_mean(crops, fbank):
    views = Views(fbank, crops.augmenter)
    batch = crops.batch(0, np.arange(6))
    long, short = views(batch, 0), views(batch, 1)
    assert long.shape == (12, 100, 80)
    assert short.shape == (18, 50, 80)
    assert long.mean(1).abs().max() < 1e-4
    assert not torch.equal(views(batch, 0, augmented=False), long)


def test_augmentation_keeps_level_and_meets_the_snr(crops):
    generator = torch.Generator().manual_seed(0)
    waves = torch.randn(4, 16000, generator=generator) * 1000
    plan = {
        "rir": torch.tensor([0, -1, -1, 1]),
        "noise_row": torch.tensor([1]),
        "noise": (torch.randn(1, 16000, generator=generator) * 50).short(),
        "snr": torch.tensor([10.0]),
    }
    out = crops.augmenter.apply(waves, plan)
    torch.testing.assert_close(out[2], waves[2])
    torch.testing.assert_close(out[[0, 3]].square().mean(1), waves[[0, 3]].square().mean(1))
    noise = out[1] - waves[1]
    assert 10 * torch.log10(waves[1].square().mean() / noise.square().mean()) == pytest.approx(10.0, abs=0.05)


def test_convolution_against_numpy():
    rng = np.random.default_rng(0)
    wave, response = rng.standard_normal(1000), rng.standard_normal(130)
    ours = fft_convolve(torch.from_numpy(wave)[None], torch.from_numpy(response)[None])[0]
    np.testing.assert_allclose(ours.numpy(), np.convolve(wave, response)[:1000], atol=1e-9)
    for n in (1, 7, 1129, 40959, 44799):
        size = fast_length(n)
        assert n <= size < 1.2 * n + 1
        for prime in (2, 3, 5):
            while size % prime == 0:
                size //= prime
        assert size == 1


def test_a_noise_of_unknown_kind_is_named(tiny):
    config = load_config("augment")
    config["snr_db"] = {"noise": [0.0, 15.0]}
    with pytest.raises(RecipeError, match="no SNR range for the kind 'babble'"):
        Augmenter(config, tiny / "noise", None, 16000)


def test_too_few_utterances_for_the_processes(crops):
    with pytest.raises(RecipeError, match="24 training utterances for 13 processes"):
        Batches(crops, 8, 0, 13)
