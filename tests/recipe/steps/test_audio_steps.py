"""pack_audio, make_fbank and extract_embeddings on real files, and every kind of bad audio by file and line."""

import kaldiio
import numpy as np
import pytest
import soundfile
import torch

from dlglc.data.arks import read_embeddings
from dlglc.data.audio import Recordings
from dlglc.data.tables import read_table, write_data_dir
from dlglc.encoders.models import load_model

pytestmark = pytest.mark.slow


@pytest.fixture
def packed(tiny, script, tmp_path):
    script("steps/pack_audio.py", tiny / "train", tmp_path / "packed")
    return tmp_path / "packed"


def test_packing_keeps_every_sample(tiny, packed):
    recordings = Recordings(packed)
    for i, (_, path) in enumerate(read_table(tiny / "train/wav.scp").items()):
        samples, _ = soundfile.read(path, dtype="int16")
        np.testing.assert_array_equal(recordings.read(i), samples)
        np.testing.assert_array_equal(recordings.read(i, 100, 50), samples[100:150])
        assert recordings.num_samples[i] == len(samples)
    rate, samples = kaldiio.load_mat(next(iter(read_table(packed / "wav.scp").values())))  # as Kaldi tools read it
    assert rate == 16000
    assert len(samples) == recordings.num_samples[0]
    assert float(read_table(packed / "utt2dur")["s0-u0"]) == pytest.approx(0.9)


def test_packing_again_reuses(tiny, script, packed):
    before = (packed / "wav.ark").stat().st_mtime_ns
    assert "reused" in script("steps/pack_audio.py", tiny / "train", packed).stdout
    assert (packed / "wav.ark").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing", "no such file"),
        ("corrupt", "b-bad"),
        ("short", "shorter|under 0.2 s"),
        ("stereo", "2 channels, 16000 Hz, expected mono"),
        ("slow", "8000 Hz, expected mono of 16000 Hz"),
        ("silent", "silent"),
        ("pipe", "allow-pipes"),
    ],
)
def test_bad_audio_is_named_by_line_and_remedy(tiny, script, tmp_path, name, words):
    noise = np.random.default_rng(0).integers(-900, 900, 16000).astype(np.int16)
    bad = tmp_path / "bad.wav"
    if name == "corrupt":
        bad.write_bytes(b"RIFF" + bytes(100))
    elif name == "short":
        soundfile.write(bad, noise[:900], 16000)
    elif name == "stereo":
        soundfile.write(bad, np.stack([noise, noise], 1), 16000)
    elif name == "slow":
        soundfile.write(bad, noise, 8000)
    elif name == "silent":
        soundfile.write(bad, 0 * noise, 16000)
    where = f"cat {tiny}/wav/s0-u0.wav |" if name == "pipe" else str(bad)
    if name == "missing":
        where = str(tmp_path / "gone.wav")
    good = str(tiny / "wav/s0-u0.wav")
    wav = {"a-good": good, "b-bad": where, "c-good": good}
    write_data_dir(tmp_path / "data", wav, {utt: utt for utt in wav})
    # Packing mixes channels and resamples; audio that stays where it is has to be right.
    options = ["--in-place"] if name in ("stereo", "slow") else []
    done = script("steps/pack_audio.py", *options, tmp_path / "data", tmp_path / "out", check=False)
    assert done.returncode == 1
    assert f"{tmp_path}/data/wav.scp:2" in done.stderr
    assert any(w in done.stderr for w in words.split("|"))
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out/wav.scp").exists()
    if name == "pipe":
        script("steps/pack_audio.py", "--allow-pipes", tmp_path / "data", tmp_path / "out")
        assert (tmp_path / "out/wav.scp").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("b x.wav\na y.wav\n", "wav.scp:2: 'a' comes after 'b'"),
        ("a x.wav\na y.wav\n", "wav.scp:2: 'a' stands twice"),
        ("a\n", "wav.scp:1: expected 'key value'"),
        ("", "empty"),
    ],
)
def test_bad_tables_are_named_by_line(script, tmp_path, text, words):
    (tmp_path / "wav.scp").write_text(text)
    done = script("steps/pack_audio.py", tmp_path, tmp_path / "out", check=False)
    assert done.returncode == 1
    assert words in done.stderr


def test_features_are_compressed_and_complete(packed, script, tmp_path):
    script("steps/make_fbank.py", packed, tmp_path / "feats")
    frames = read_table(tmp_path / "feats/utt2num_frames")
    table = read_table(tmp_path / "feats/feats.scp")
    assert list(table) == list(frames) == list(read_table(packed / "wav.scp"))
    script("steps/make_fbank.py", packed, tmp_path / "exact", "--set", "compression=0")
    exact = read_table(tmp_path / "exact/feats.scp")
    for utt, where in table.items():
        matrix = kaldiio.load_mat(where)
        assert matrix.shape == (int(frames[utt]), 80)
        np.testing.assert_allclose(matrix, kaldiio.load_mat(exact[utt]), atol=1e-3)
    assert (tmp_path / "feats/feats.ark").stat().st_size < 0.6 * (tmp_path / "exact/feats.ark").stat().st_size


def test_embeddings_are_those_of_single_utterances(tiny, packed, script, tmp_path):
    small = ["epochs=0", "encoder.channels=16", "encoder.embedding_dim=12", "encoder.aggregate=0", "head.outputs=8"]
    script("steps/train_dino.py", tiny / "train", tmp_path / "m", "--set", *small)
    script("steps/extract_embeddings.py", tmp_path / "m/model.pt", packed, tmp_path / "e")
    ids, matrix = read_embeddings(tmp_path / "e/embedding.scp")
    model = load_model(tmp_path / "m/model.pt")
    recordings = Recordings(packed)
    assert ids == recordings.ids
    for i in range(0, len(ids), 5):
        feats = model.fbank(torch.from_numpy(recordings.read(i))[None])
        with torch.no_grad():
            alone = model.encoder(feats - feats.mean(1, keepdim=True))[0].numpy()
        np.testing.assert_allclose(matrix[i], alone, atol=1e-5)


def test_a_model_that_is_none_is_named(packed, script, tmp_path):
    (tmp_path / "model.pt").write_bytes(b"no model")
    done = script("steps/extract_embeddings.py", tmp_path / "model.pt", packed, tmp_path / "e", check=False)
    assert done.returncode == 1
    assert "not a model file" in done.stderr
    done = script("steps/extract_embeddings.py", tmp_path / "none.pt", packed, tmp_path / "e", check=False)
    assert "no such model" in done.stderr
