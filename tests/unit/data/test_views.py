"""Views of batches: frames, means, and the features of the benchmark that reads crop by crop."""

import inspect

import crop_by_crop
import numpy as np
import torch

from dlglc.data.crops import Crops
from dlglc.data.views import Views


def test_views_have_the_frames_asked_for_and_zero_mean(crops, fbank):
    views = Views(fbank, crops.augmenter)
    batch = crops.batch(0, np.arange(6))
    long, short = views(batch, 0), views(batch, 1)
    assert long.shape == (12, 100, 80)
    assert short.shape == (18, 50, 80)
    assert long.mean(1).abs().max() < 1e-4
    assert not torch.equal(views(batch, 0, augmented=False), long)


def test_the_benchmark_crop_by_crop_has_the_same_features(crops, tiny, fbank):
    theirs = crop_by_crop.Crops(tiny / "train", fbank, [(2, 1.0), (3, 0.5)], crops.augmenter, seed=5)
    rows = np.array([3, 20, 8])
    ours, views = crops.batch(1, rows), Views(fbank, crops.augmenter)
    for v in range(2):
        expected = crop_by_crop.Views(None, None)(theirs.batch(1, rows), v)
        torch.testing.assert_close(views(ours, v), expected, rtol=1e-3, atol=1e-3)
    assert crop_by_crop.Views.utterances == 3


def test_the_benchmark_crop_by_crop_takes_what_the_trainers_give():
    for theirs, ours in ((crop_by_crop.Views, Views), (crop_by_crop.Crops, Crops)):
        assert [*inspect.signature(theirs).parameters] == [*inspect.signature(ours).parameters]


def test_features_from_an_ark_are_taken_as_they_are(fbank):
    feats = torch.randn(4, 20, 80, generator=torch.Generator().manual_seed(0)) + 3
    for augmented in (True, False):
        view = Views(fbank, None)({"feats0": feats}, 0, augmented)
        torch.testing.assert_close(view, feats - feats.mean(1, keepdim=True))


def test_hidden_frames_are_taken_with_their_mean(fbank):
    frames = torch.randn(4, 20, 12) + 3
    assert torch.equal(Views(fbank, None, hidden=True)({"feats0": frames}, 0), frames)
