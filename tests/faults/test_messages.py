"""The ninth finding of fault trials on version 0.1: what ended in a traceback ends in a message."""

import re
import shutil
import struct

import numpy as np
import pytest
import soundfile

from dlglc import console
from dlglc.data.arks import write_embeddings
from dlglc.data.audio import Recordings
from dlglc.data.tables import read_table
from dlglc.encoders.models import load_model
from dlglc.errors import RecipeError
from dlglc.files import save_tensors
from faults import read_models, read_tables
from faults.forks import run
from support.audio_files import unprivileged
from support.training import dino_arguments

BEGUN = ("epochs=0",)


@pytest.mark.slow
def test_9_one_rank_without_a_launcher_is_refused(tmp_path, tiny, script):
    for changes in (
        {"RANK": "1"},
        {"RANK": "x", "WORLD_SIZE": "2"},
        {"RANK": "2", "WORLD_SIZE": "2", "LOCAL_RANK": "0"},
    ):
        done = script("steps/train_dino.py", *dino_arguments(tiny, tmp_path / "dino", *BEGUN), check=False, env=changes)
        assert done.returncode == 1
        assert "start with torchrun, or `unset RANK" in done.stderr and "Traceback" not in done.stderr


def test_9_a_model_of_another_shape_or_with_other_keys_is_named(tmp_path):
    encoder, fbank, state = read_models.the_model()
    name = next(iter(state))
    for changed in ({**state, name: state[name][:1]}, {**state, "more": state[name]}, {}, {name: 5}):
        contents = {"encoder": encoder.model_dump(), "fbank": fbank.model_dump(), "input": "wav", "state": changed}
        save_tensors(contents, tmp_path / "model.pt")
        with pytest.raises(RecipeError, match=r"model\.pt: its weights are not those of the encoder"):
            load_model(tmp_path / "model.pt")


def test_9_a_flac_that_claims_64_gib_needs_no_memory(tmp_path):
    soundfile.write(tmp_path / "a.flac", (1000 * np.sin(np.arange(9000) / 9)).astype(np.int16), 16000)
    data = bytearray((tmp_path / "a.flac").read_bytes())
    # STREAMINFO: the number of samples is the last 36 of 64 bits from byte 18 on.
    (word,) = struct.unpack(">Q", data[18:26])
    data[18:26] = struct.pack(">Q", word & ~((1 << 36) - 1) | (1 << 35))
    (tmp_path / "a.flac").write_bytes(data)
    (tmp_path / "wav.scp").write_text(f"u0 {tmp_path}/a.flac\n")

    def go():
        try:
            Recordings(tmp_path).read(0)
        except RecipeError as error:
            print(error)

    ended = run(go, tmp_path, memory=1 << 30)
    assert ended.status == 0 and "u0: cut short or damaged: " in ended.text


@pytest.mark.parametrize("where", ["\u0085", "\u2028", "\u00a0", "\0", "\ufeff", "\x1c", "\r"])
def test_9_characters_that_look_like_a_blank_are_in_no_key(tmp_path, where):
    (tmp_path / "t").write_text(f"a x\nb{where}c y\n", newline="")
    for read in (read_table, read_tables.read_columns):
        with pytest.raises(RecipeError, match=r"t:2: "):
            read(tmp_path / "t")


def test_9_a_folder_without_permission_is_named():
    with unprivileged() as folder:
        (folder / "closed").mkdir(mode=0o500)
        with pytest.raises(OSError):
            write_embeddings(folder / "closed", ["a"], np.ones((1, 2)))
        done = run(lambda: as_script(lambda: write_embeddings(folder / "closed", ["a"], np.ones((1, 2)))), folder)
        assert done.status == 1 and "permission denied: mend its owner or its mode" in done.text and not done.traced


def as_script(main):
    console.run(main)


def test_9_what_a_process_that_reads_data_refuses_is_one_message(tmp_path, tiny, script):
    data = tmp_path / "train"
    shutil.copytree(tiny / "train", data)
    text = (data / "wav.scp").read_text()
    first = text.split()[1]
    shutil.copy(first, tmp_path / "cut.wav")
    (data / "wav.scp").write_text(text.replace(first, str(tmp_path / "cut.wav"), 1))
    lengths = ((utt, soundfile.info(path).frames) for utt, path in read_table(data / "wav.scp").items())
    (data / "utt2num_samples").write_text("".join(f"{utt} {count}\n" for utt, count in lengths))
    (tmp_path / "cut.wav").write_bytes(b"RIFF")
    words = dino_arguments(tiny, tmp_path / "dino", "workers=1")
    words[words.index(tiny / "train")] = data
    done = script("steps/train_dino.py", *words, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert re.search(r"error: .*train/wav\.scp:1: s0-u0: .*pack the recordings", done.stderr)
