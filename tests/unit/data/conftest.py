"""Recordings and crops that the tests of this room share."""

import numpy as np
import pytest
import soundfile

from dlglc.data.audio import packed_wav
from dlglc.data.augment import Augmenter
from dlglc.data.crops import Crops
from dlglc.data.tables import write_data_dir
from dlglc.settings import load_settings
from dlglc.settings.schema import AugmentSettings


@pytest.fixture
def crops(tiny, fbank):
    """Augmented crops of the tiny corpus: two of 1 s and three of 0.5 s for each utterance."""
    augmenter = Augmenter(load_settings(AugmentSettings), tiny / "noise", tiny / "rirs", 16000)
    return Crops(tiny / "train", fbank, [(2, 1.0), (3, 0.5)], augmenter, seed=5)


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    """Data directories of the same recordings in an ark, as WAV and as FLAC: shorter than a crop, usual, a minute."""
    top = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    tables = {kind: {} for kind in ("ark", "wav", "flac")}
    with open(top / "wav.ark", "wb") as ark:
        for i, seconds in enumerate((0.3, 0.7, 1.5, 8.0, 60.0, 61.3)):
            samples = (3000 * rng.standard_normal(int(16000 * seconds))).astype(np.int16)
            ark.write(f"u{i} ".encode())
            tables["ark"][f"u{i}"] = f"{top}/wav.ark:{ark.tell()}"
            ark.write(packed_wav(samples, 16000))
            for kind in ("wav", "flac"):
                tables[kind][f"u{i}"] = str(top / f"u{i}.{kind}")
                soundfile.write(tables[kind][f"u{i}"], samples, 16000)
    for kind, table in tables.items():
        write_data_dir(top / kind, table, {utt: utt for utt in table})
    return top


@pytest.fixture(scope="session")
def speech_and_silence(speechocean):
    """Real utterances of one speaker with 2 s of silence between them, (N,) int16 at 16 kHz."""
    paths = sorted((speechocean / "eval/audio").glob("*/*"))
    speaker = [path for path in paths if path.parent == paths[0].parent][:4]
    gap = np.random.default_rng(0).integers(-3, 4, 32000).astype(np.int16)
    parts = [part for path in speaker for part in (gap, soundfile.read(path, dtype="int16")[0])]
    return np.concatenate([*parts, gap])
