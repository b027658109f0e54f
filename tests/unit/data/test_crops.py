"""Crops are functions of (seed, epoch, utterance): their samples, their augmentation, and what broken input says."""

import numpy as np
import pytest
import soundfile
import torch

from dlglc.data.augment import Augmenter
from dlglc.data.crops import Crops, FeatureCrops, SomeCrops, open_crops
from dlglc.errors import RecipeError
from dlglc.settings import load_settings
from dlglc.settings.schema import AugmentSettings


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


@pytest.mark.parametrize("kind", ["ark", "wav", "flac"])
def test_crops_are_those_that_are_read_one_by_one(recordings, tiny, fbank, kind):
    settings = load_settings(AugmentSettings, None, ["probability=0.8", "both_share=0.3"])
    augmenter = Augmenter(settings, tiny / "noise", tiny / "rirs", 16000)
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


def test_a_recording_that_ends_early_is_named(recordings, fbank, tmp_path):
    (tmp_path / "wav.scp").write_text((recordings / "wav/wav.scp").read_text())
    (tmp_path / "utt2num_samples").write_text("".join(f"u{i} 999999\n" for i in range(6)))
    with pytest.raises(RecipeError, match=r"wav.scp:4: u3: it ends before the 999999 samples"):
        Crops(tmp_path, fbank, [(1, 1.0), (2, 20.0)], None, 0).batch(0, np.array([3]))


def test_crops_are_stretches_of_their_utterance(tmp_path, fbank, write_ark):
    rng = np.random.default_rng(0)
    arrays = {f"u{i}": rng.standard_normal((n, 80)).astype("f4") for i, n in enumerate((30, 80, 500))}
    write_ark(tmp_path, arrays, compression_method=3)
    crops = FeatureCrops(tmp_path, fbank, [(2, 0.5), (1, 0.2)], 0)
    batch = crops.batch(1, np.array([2, 0, 1]))
    assert batch["feats0"].shape == (6, 50, 80)
    for v, frames in ((0, 50), (1, 20)):
        for at, feats in enumerate(batch[f"feats{v}"].numpy()):
            whole = crops.load([2, 0, 1][at % 3])
            if len(whole) < frames:
                whole = np.resize(whole, (frames, 80))
            assert any(np.array_equal(feats, whole[s : s + frames]) for s in range(len(whole) - frames + 1))
    assert not np.array_equal(batch["feats0"][0], batch["feats0"][3])


def test_broken_arks_are_named_by_line(tmp_path, fbank, write_ark):
    x = np.random.default_rng(0).standard_normal((40, 80)).astype("f4")
    write_ark(tmp_path, {"a": x, "b": x})
    ark = tmp_path / "feats.ark"
    ark.write_bytes(ark.read_bytes()[:-100])
    with pytest.raises(RecipeError, match=r"feats\.scp:2: cannot read .*cut short; run stage 2 again"):
        FeatureCrops(tmp_path, fbank, [], 0).load(1)
    (tmp_path / "feats.scp").write_text(f"a {ark}:9\nb {tmp_path}/none.ark:5\n")
    for row in (0, 1):
        with pytest.raises(RecipeError, match=rf"feats\.scp:{row + 1}: cannot read"):
            FeatureCrops(tmp_path, fbank, [], 0).load(row)
    write_ark(tmp_path, {"a": x[:, :40]})
    with pytest.raises(RecipeError, match=r"feats\.scp:1: a has shape \(40, 40\), expected \(T, 80\)"):
        FeatureCrops(tmp_path, fbank, [(1, 0.1)], 0).batch(0, np.array([0]))


def test_features_are_shuffled_by_epoch_and_repeat(tmp_path, fbank, write_ark):
    write_ark(tmp_path, {f"u{i}": np.random.default_rng(i).standard_normal((60, 80)) for i in range(4)})
    first, again = (FeatureCrops(tmp_path, fbank, [(2, 0.3)], 5) for _ in range(2))
    rows = np.arange(4)
    one, other = first.batch(0, rows)["feats0"], first.batch(1, rows)["feats0"]
    assert not torch.equal(one, other)
    # The crops of an epoch do not depend on the epochs before, nor on the utterances beside.
    torch.testing.assert_close(again.batch(1, rows)["feats0"], other)
    torch.testing.assert_close(first.batch(0, rows[2:3])["feats0"], one[[2, 6]])


@pytest.mark.parametrize("inputs", ["wav", "feats"])
def test_the_setting_input_decides_what_is_read(tiny, fbank, tmp_path, write_ark, inputs):
    write_ark(tmp_path, {"a": np.zeros((40, 80), "f4"), "b": np.zeros((40, 80), "f4")})
    data_dir = tiny / "train" if inputs == "wav" else tmp_path
    crops = open_crops(inputs, data_dir, fbank, None, [(2, 0.3)], 0)
    assert crops.seconds == SomeCrops(crops, np.array([1])).seconds == 0.6
    batch = crops.batch(0, np.array([1, 0]))
    assert batch["index"].tolist() == [1, 0]
    assert {k: tuple(v.shape) for k, v in batch.items() if k != "index"} == (
        {"wave0": (4, fbank.num_samples(30))} if inputs == "wav" else {"feats0": (4, 30, 80)}
    )


def test_crops_of_hidden_frames_count_their_stride(tmp_path, fbank, write_ark):
    write_ark(tmp_path, {"a": np.zeros((60, 12), "f4")})
    (tmp_path / "feats.scp").rename(tmp_path / "hidden.scp")
    crops = FeatureCrops(tmp_path, fbank, [(1, 0.5)], 0, hidden=(2, 12))
    assert crops.batch(0, np.array([0]))["feats0"].shape == (1, 25, 12)


def test_some_utterances_have_the_crops_that_they_have_among_all(tmp_path, fbank, write_ark):
    write_ark(tmp_path, {f"u{i}": np.random.default_rng(i).standard_normal((60, 80)) for i in range(6)})
    every = FeatureCrops(tmp_path, fbank, [(1, 0.3)], 5)
    some = SomeCrops(every, np.array([4, 1, 2]))
    assert some.ids == ["u4", "u1", "u2"]
    batch = some.batch(3, np.array([2, 0]))
    assert batch["index"].tolist() == [2, 0]
    torch.testing.assert_close(batch["feats0"], every.batch(3, np.array([2, 4]))["feats0"])
