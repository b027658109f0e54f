"""The nine findings of fault trials on version 0.1, and what must be true instead."""

import io
import os
import shutil
import signal
import subprocess
import tarfile

import numpy as np
import pytest
import torch

from dlglc import provenance
from dlglc.data.arks import read_embeddings
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
from faults.kitchen import contents, same
from support import scripts
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
    try:
        hold.wait(first)
        second = script("steps/train_dino.py", *words, check=False)
        assert second.returncode == 1
        assert f"in use by process {first.pid} on " in second.stderr and "another directory" in second.stderr
    finally:
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
