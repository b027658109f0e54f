"""The nine findings of fault trials on version 0.1, and what must be true instead."""

import io
import os
import re
import shutil
import signal
import struct
import subprocess
import tarfile

import numpy as np
import pytest
import soundfile
import torch

from dlglc import provenance
from dlglc.data.arks import read_embeddings, write_embeddings
from dlglc.data.audio import Recordings
from dlglc.data.download import is_interrupted, unpack
from dlglc.data.tables import read_table
from dlglc.encoders.models import load_model, save_model
from dlglc.errors import RecipeError
from dlglc.files import load_tensors, save_tensors
from dlglc.provenance import Stamp
from dlglc.scoring.plda import load_plda, save_plda
from faults import read_models, read_tables
from faults.forks import Moment, run
from faults.kills import contents, same
from support import scripts
from support.audio_files import unprivileged
from support.training import dino_arguments
from support.waiting import Hold

BEGUN = ("epochs=0",)


def test_1_packing_goes_on_after_a_kill_behind_its_last_write(tmp_path, tiny, script):
    script("steps/pack_audio.py", tiny / "train", tmp_path)
    expected = contents(tmp_path)
    (tmp_path / "packed.json").rename(tmp_path / "packing.json")
    script("steps/pack_audio.py", tiny / "train", tmp_path)
    assert contents(tmp_path) == expected


@pytest.mark.parametrize("harm", ["gone", "cut", "other"])
def test_2_a_damaged_output_is_found_and_made_again(tmp_path, tiny, script, harm):
    words = ["steps/pack_audio.py", tiny / "train", tmp_path / "train"]
    script(*words)
    stamp = Stamp(tmp_path / "of_train.json", {}, [tmp_path / "train/wav.scp"])
    stamp.write()
    script("steps/train_dino.py", *dino_arguments(tiny, tmp_path / "dino", *BEGUN))
    extract = ["steps/extract_embeddings.py", tmp_path / "dino/model.pt", tmp_path / "train", tmp_path / "embedding"]
    script(*extract)
    expected = contents(tmp_path / "train"), contents(tmp_path / "embedding")
    for ark, again in ((tmp_path / "embedding/embedding.ark", extract), (tmp_path / "train/wav.ark", words)):
        damage(ark, harm)
        script(*again)
    assert (contents(tmp_path / "train"), contents(tmp_path / "embedding")) == expected
    # The ark is as it was, though younger: what was made from it stands.
    assert Stamp(tmp_path / "of_train.json", {}, [tmp_path / "train/wav.scp"]).matches()


def damage(path, harm):
    if harm == "gone":
        path.unlink()
    elif harm == "cut":
        os.truncate(path, path.stat().st_size - 100)
    else:
        data = bytearray(path.read_bytes())
        data[: len(data) // 2] = bytes(len(data) // 2)
        path.write_bytes(data)


def test_3_a_cut_ark_and_a_wrong_length_are_refused_and_a_flipped_bit_is_found(tmp_path, script):
    ark = read_tables.make_ark(tmp_path)
    whole = ark.read_bytes()
    last = len(read_tables.IDS) - 1
    os.truncate(ark, len(whole) - 50)
    with pytest.raises(RecipeError, match=r"u5: the ark is cut short within it: run steps/pack_audio\.py again"):
        Recordings(tmp_path).read(last)
    ark.write_bytes(whole)
    lengths = read_table(tmp_path / "utt2num_samples") | {"u1": "5000"}
    (tmp_path / "utt2num_samples").write_text("".join(f"{utt} {count}\n" for utt, count in lengths.items()))
    with pytest.raises(RecipeError, match="650 samples in the ark, 5000 in utt2num_samples"):
        Recordings(tmp_path).read(1, 640, 30)
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 4
    ark.write_bytes(flipped)
    done = script("steps/verify_outputs.py", tmp_path, check=False)
    assert done.returncode == 1 and "wav.ark is not what was written: its checksum differs" in done.stderr
    ark.write_bytes(whole)
    assert "1 files are what was written" in script("steps/verify_outputs.py", tmp_path).stdout


def test_3_embeddings_are_compared_with_their_checksum_whenever_they_are_read(tmp_path):
    ark = read_tables.make_embeddings(tmp_path)
    data = bytearray(ark.read_bytes())
    data[-3] ^= 1
    ark.write_bytes(data)
    with pytest.raises(RecipeError, match=r"embedding\.ark is not what was written"):
        read_embeddings(tmp_path / "embedding.scp")


@pytest.mark.slow
def test_4_a_second_training_in_a_folder_is_refused_and_a_killed_one_goes_on(tmp_path, tiny, script):
    words = dino_arguments(tiny, tmp_path / "dino", "checkpoint_minutes=0", "workers=0")
    hold = Hold(tmp_path / "hold", 2)
    first = scripts.start(
        "steps/train_dino.py", *words, env=hold.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    hold.wait(first)
    second = script("steps/train_dino.py", *words, check=False)
    assert second.returncode == 1
    assert f"in use by process {first.pid} on " in second.stderr and "another directory" in second.stderr
    first.send_signal(signal.SIGKILL)
    first.communicate()
    script("steps/train_dino.py", *words)
    script("steps/train_dino.py", *dino_arguments(tiny, tmp_path / "whole", "checkpoint_minutes=0", "workers=0"))
    assert same(contents(tmp_path / "dino")["model.pt"], contents(tmp_path / "whole")["model.pt"])
    assert not (tmp_path / "dino/in_use.json").exists()


@pytest.mark.parametrize("content", [b"", b'{"settings": {', b"[]", None])
@pytest.mark.parametrize("finished", [False, True])
def test_5_settings_are_never_mixed_though_their_record_is_lost(tmp_path, tiny, script, content, finished):
    out = tmp_path / "dino"
    zero, seven = (dino_arguments(tiny, out, *BEGUN, options=["--seed", seed]) for seed in (0, 7))
    script("steps/train_dino.py", *zero)
    model = (out / "model.pt").read_bytes()
    save_tensors({"identity": json_identity(out / "stamp.json")}, out / "checkpoint.pt")
    if not finished:
        (out / "model.pt").unlink()
    (out / "stamp.json").unlink()
    if content is not None:
        (out / "stamp.json").write_bytes(content)
    done = script("steps/train_dino.py", *seven, check=False)
    assert done.returncode == 1
    assert "so the settings of the run there are not known, and its checkpoint is of other settings" in done.stderr
    if finished:  # with its own settings, the record is written again
        script("steps/train_dino.py", *zero)
        assert (out / "model.pt").read_bytes() == model and provenance.read_record(out / "stamp.json")
    else:
        script("steps/train_dino.py", *seven, "--overwrite")
        assert (out / "model.pt").read_bytes() != model


def json_identity(path):
    stamp = Stamp(path, {}, [])
    stamp.record = stamp.read()
    return stamp.identity


def test_6_no_flipped_bit_of_a_model_is_loaded(tmp_path):
    save_plda(tmp_path / "plda.npz", read_models.the_plda())
    files = [
        (read_models.make_model, load_model),
        (read_models.make_checkpoint, load_tensors),
        (read_models.make_plda, load_plda),
    ]
    for make, load in files:
        path = make(tmp_path)
        whole = path.read_bytes()
        for place in range(0, 8 * len(whole), max(1, 8 * len(whole) // 150)):
            flipped = bytearray(whole)
            flipped[place // 8] ^= 1 << place % 8
            path.write_bytes(flipped)
            if place // 8 < len(whole) - 80:  # behind, it is the checksum's own name
                with pytest.raises(RecipeError, match=r"not a model file|not a PLDA model"):
                    load(path)
        path.write_bytes(whole)
        load(path)


def test_6_a_model_of_version_02_is_loaded_and_its_flipped_bits_are_not(tmp_path, caplog):
    path = read_models.make_unsealed_model(tmp_path)
    with caplog.at_level("INFO"):
        read_models.judge_model(path, b"")
    assert "m.pt has no checksum inside: written by version 0.2 or another program" in caplog.text
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 60):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        try:
            read_models.judge_model(path, b"")  # bytes between the parts are nothing
        except RecipeError as error:
            assert "m.pt: " in str(error)


def test_6_weights_that_are_no_numbers_are_neither_written_nor_loaded(tmp_path):
    encoder, fbank, state = read_models.the_model()
    bad = {name: value.clone() for name, value in state.items()}
    name = next(name for name, value in bad.items() if value.is_floating_point())
    bad[name].view(-1)[0] = torch.nan
    with pytest.raises(RecipeError, match="has NaN or infinity in it: train again"):
        save_model(tmp_path / "model.pt", encoder, fbank, bad, "wav")
    contents = {"encoder": encoder.model_dump(), "fbank": fbank.model_dump(), "input": "wav", "state": bad}
    save_tensors(contents, tmp_path / "model.pt")
    with pytest.raises(RecipeError, match="has NaN or infinity in it"):
        load_model(tmp_path / "model.pt")
    plda = read_models.the_plda()
    plda.psi[1] = np.inf
    save_plda(tmp_path / "plda.npz", plda)
    with pytest.raises(RecipeError, match="psi has something else than finite numbers"):
        load_plda(tmp_path / "plda.npz")


@pytest.mark.parametrize("there", [False, True])
def test_7_unpacking_that_was_killed_anywhere_ends_with_all_files(tmp_path, there):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for name in ("top/a/1", "top/b/2", "top/c/3", "top/d"):
            info = tarfile.TarInfo(name)
            info.size = 5
            tar.addfile(info, io.BytesIO(b"12345"))

    def go():
        unpack(tmp_path / "x.tar", tmp_path / "out", strip=1)

    number = 0
    while True:
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        if there:
            (tmp_path / "out").mkdir()
            (tmp_path / "out/own").write_text("of the user")
        if run(go, tmp_path, Moment(event=number)).status == 0:
            break
        if (tmp_path / "out").exists() and not is_interrupted(tmp_path / "out"):
            assert len(list((tmp_path / "out").rglob("*"))) in (int(there), 7 + there)  # nothing, or all
        assert run(go, tmp_path).status == 0 or (tmp_path / "out/a").exists()
        there_now = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file())
        assert there_now == sorted(["a/1", "b/2", "c/3", "d", *(["own"] if there else [])])
        number += 1
    assert number > 5


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
    assert ended.status == 0 and "u0: cut short" in ended.text


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
    from dlglc import console

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
