"""Filter bank energies as an ark: those of the filter bank, compressed or exact, reused when they are finished."""

import kaldiio
import numpy as np
import pytest
import soundfile
import torch

from dlglc.data.audio import Recordings
from dlglc.data.features import make_fbank
from dlglc.data.tables import read_table, write_data_dir
from dlglc.errors import RecipeError
from dlglc.settings import load_settings
from dlglc.settings.schema import FbankSettings


@pytest.mark.parametrize(("compression", "tolerance"), [(0, 1e-5), (3, 1e-3)])
def test_every_frame_of_every_recording(tiny, fbank, tmp_path, compression, tolerance):
    settings = load_settings(FbankSettings, None, [f"compression={compression}"])
    make_fbank(tiny / "train", tmp_path, settings, "cpu")
    table, frames = read_table(tmp_path / "feats.scp"), read_table(tmp_path / "utt2num_frames")
    recordings = Recordings(tiny / "train")
    assert list(table) == list(frames) == list(recordings.ids)
    for i in range(0, 24, 7):
        expected = fbank(torch.from_numpy(recordings.read(i))[None])[0].numpy()
        found = kaldiio.load_mat(table[recordings.ids[i]])
        assert len(found) == int(frames[recordings.ids[i]])
        np.testing.assert_allclose(found, expected, atol=tolerance)


def test_a_finished_ark_is_reused_until_a_setting_changes(tiny, tmp_path, caplog):
    make_fbank(tiny / "train", tmp_path, load_settings(FbankSettings), "cpu")
    with caplog.at_level("INFO"):
        make_fbank(tiny / "train", tmp_path, load_settings(FbankSettings), "cpu")
    assert "reused" in caplog.text
    caplog.clear()
    with caplog.at_level("INFO"):
        make_fbank(tiny / "train", tmp_path, load_settings(FbankSettings, None, ["num_mel_bins=40"]), "cpu")
    assert "reused" not in caplog.text
    assert kaldiio.load_mat(read_table(tmp_path / "feats.scp")["s0-u0"]).shape[1] == 40


def test_a_recording_of_no_frame_is_named(tmp_path):
    for name, length in (("a", 4000), ("b", 399)):
        soundfile.write(tmp_path / f"{name}.wav", np.ones(length, np.int16), 16000)
    wav = {name: str(tmp_path / f"{name}.wav") for name in "ab"}
    write_data_dir(tmp_path / "data", wav, {name: name for name in wav})
    with pytest.raises(RecipeError, match=r"wav\.scp:2: b: too short for one frame"):
        make_fbank(tmp_path / "data", tmp_path / "out", load_settings(FbankSettings), "cpu")
    assert not (tmp_path / "out/feats.scp").exists()
