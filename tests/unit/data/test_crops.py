"""Batches: each utterance once, the same for one process and for several, functions of (seed, epoch, utterance)."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from dlglc.data.audio import packed_wav
from dlglc.data.augment import Augmenter, fast_length, fft_convolve
from dlglc.errors import RecipeError
from dlglc.settings import load_settings
from dlglc.data.tables import write_data_dir
from dlglc.data.batches import Batches
from dlglc.data.crops import Crops, Views
from dlglc.data.fbank import Fbank


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
    responses = dict(zip(among["rir_row0"].tolist(), among["rir0"].tolist()))
    assert dict(zip(alone["rir_row0"].tolist(), alone["rir0"].tolist())) == {
        c: responses[3 * c + 1] for c in range(2) if 3 * c + 1 in responses
    }
    other = crops.batch(4, np.array([7]))
    assert not torch.equal(alone["wave0"], other["wave0"])


@pytest.fixture
def recordings(tmp_path):
    """Data directories of the same recordings in an ark, as WAV and as FLAC: shorter than a crop, usual, a minute."""
    rng = np.random.default_rng(0)
    tables = {kind: {} for kind in ("ark", "wav", "flac")}
    with open(tmp_path / "wav.ark", "wb") as ark:
        for i, seconds in enumerate((0.3, 0.7, 1.5, 8.0, 60.0, 61.3)):
            samples = (3000 * rng.standard_normal(int(16000 * seconds))).astype(np.int16)
            ark.write(f"u{i} ".encode())
            tables["ark"][f"u{i}"] = f"{tmp_path}/wav.ark:{ark.tell()}"
            ark.write(packed_wav(samples, 16000))
            for kind in ("wav", "flac"):
                tables[kind][f"u{i}"] = str(tmp_path / f"u{i}.{kind}")
                soundfile.write(tables[kind][f"u{i}"], samples, 16000)
    for kind, table in tables.items():
        write_data_dir(tmp_path / kind, table, {utt: utt for utt in table})
    return tmp_path


@pytest.mark.parametrize("kind", ["ark", "wav", "flac"])
def test_crops_are_those_that_are_read_one_by_one(recordings, tiny, fbank, kind):
    config = {**load_config("augment"), "probability": 0.8, "both_share": 0.3}
    augmenter = Augmenter(config, tiny / "noise", tiny / "rirs", 16000)
    crops = Crops(recordings / kind, fbank, [(2, 1.0), (4, 0.5)], augmenter, seed=5)
    rows = np.array([4, 0, 3, 5, 1, 2])
    batch = crops.batch(2, rows)
    whole = [soundfile.read(recordings / f"u{row}.wav", dtype="int16")[0] for row in rows]
    generators = [np.random.default_rng((5, 2, int(row))) for row in rows]
    reverberated, noisy = 0, 0
    for v, (count, samples) in enumerate(crops.views):
        responses = dict(zip(batch[f"rir_row{v}"].tolist(), batch[f"rir{v}"].tolist()))
        noises = dict(zip(batch[f"noise_row{v}"].tolist(), zip(batch[f"snr{v}"].tolist(), batch[f"noise{v}"])))
        assert list(noises) == sorted(noises) and list(responses) == sorted(responses)
        for at in range(count * len(rows)):
            rng, wave, place = generators[at % len(rows)], whole[at % len(rows)], generators[at % len(rows)].random()
            start = int(place * (len(wave) - samples + 1)) if len(wave) >= samples else 0
            expected = np.resize(wave[start : start + samples], samples)
            np.testing.assert_array_equal(batch[f"wave{v}"][at].numpy(), expected)
            rir, snr, noise = augmenter.draw(rng, samples)
            assert responses.get(at, -1) == rir
            assert (at in noises) == (noise is not None)
            if noise is not None:
                assert noises[at][0] == np.float32(snr)
                np.testing.assert_array_equal(noises[at][1].numpy(), noise)
        reverberated, noisy = reverberated + len(responses), noisy + len(noises)
    assert reverberated > 5 and noisy > 5


def test_a_recording_is_read_once_unless_its_crops_lie_far_apart(recordings, fbank, monkeypatch):
    crops, seen = Crops(recordings / "ark", fbank, [(2, 1.0), (4, 0.5)], None, seed=5), []
    read = crops.recordings.read
    monkeypatch.setattr(crops.recordings, "read", lambda i, start, num: seen.append((i, num)) or read(i, start, num))
    for epoch in range(5):
        crops.batch(epoch, np.arange(6))
    reads = np.bincount([i for i, _ in seen])
    assert reads.tolist()[:4] == [5] * 4
    assert sum(num for i, num in seen if i >= 4) < 5 * 2 * 8 * 16000


def test_a_recording_that_ends_early_is_named(recordings, fbank):
    Path(recordings / "wav/utt2num_samples").write_text("".join(f"u{i} 999999\n" for i in range(6)))
    with pytest.raises(RecipeError, match=r"wav.scp:4: u3: it ends before the 999999 samples"):
        Crops(recordings / "wav", fbank, [(1, 1.0), (2, 20.0)], None, 0).batch(0, np.array([3]))


def test_views_have_the_frames_asked_for_and_zero_mean(crops, fbank):
    views = Views(fbank, crops.augmenter)
    batch = crops.batch(0, np.arange(6))
    long, short = views(batch, 0), views(batch, 1)
    assert long.shape == (12, 100, 80)
    assert short.shape == (18, 50, 80)
    assert long.mean(1).abs().max() < 1e-4
    assert not torch.equal(views(batch, 0, augmented=False), long)


def test_the_benchmark_crop_by_crop_has_the_same_features(crops, tiny, fbank, root, monkeypatch):
    monkeypatch.syspath_prepend(root / "tests/bench")
    import crop_by_crop

    theirs = crop_by_crop.Crops(tiny / "train", fbank, [(2, 1.0), (3, 0.5)], crops.augmenter, seed=5)
    rows = np.array([3, 20, 8])
    ours, views = crops.batch(1, rows), Views(fbank, crops.augmenter)
    for v in range(2):
        expected = crop_by_crop.Views(None, None)(theirs.batch(1, rows), v)
        torch.testing.assert_close(views(ours, v), expected, rtol=1e-3, atol=1e-3)
    assert crop_by_crop.Views.utterances == 3


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
    response = soundfile.read(tiny / "wav/rir1.wav", dtype="int16")[0].astype(np.float64)
    wet = np.convolve(waves[1], response[np.abs(response).argmax() :])[:8000]
    wet *= np.sqrt(np.square(waves[1]).sum() / np.square(wet).sum())
    np.testing.assert_allclose(ours[1].numpy(), wet, atol=0.01)
    np.testing.assert_array_equal(ours[0].numpy(), waves[0].astype(np.float32))


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
