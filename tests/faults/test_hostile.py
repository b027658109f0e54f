"""Names and files of strangers: no value of an option or a table is run, and nothing is written outside."""

import os
import pickle
import shutil

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper

from dlglc.bundles.container import read_bundle
from dlglc.bundles.engine import EncoderEngine
from dlglc.data.arks import read_embeddings
from dlglc.data.tables import read_table
from dlglc.encoders.models import load_model
from dlglc.errors import RecipeError
from dlglc.files import load_tensors
from dlglc.settings import load_settings
from dlglc.settings.schema import DlglcSettings
from faults.read_bundles import write_bomb
from support import chain
from support.commands import dlg_lc
from support.training import SMALL

RUN = "touch${IFS}PWNED"
IDS = sorted(["../../x", "-rf", f"$({RUN})", f"`{RUN}`", f";{RUN};", "*", "it's", 'a"b', "x" * 10_000, "~", "<b>"])


@pytest.fixture(scope="module")
def tree(once, tiny):
    """A checkout with a mini corpus of 24 utterances, on which trainings take no time. Tests leave nothing in it."""

    return once("hostile", lambda top: chain.make_tiny_tree(top, tiny))


def nobody_was_let_in(tree):
    return not list(tree.rglob("PWNED"))


@pytest.mark.slow
def test_8_values_with_the_signs_of_a_shell_are_names(tree):
    strange = f"exp/it's$({RUN});{RUN};`{RUN}`*&|x"
    words = [word for setting in SMALL for word in ("--set", f"dino.{setting}")]
    words += ["--set", "dino.epochs=0", "--set", "cluster.num_clusters=4", "--exp", strange, "--nj", "1"]
    chain.run(tree, "--stage", "3", "--stop-stage", "4", *words)
    assert nobody_was_let_in(tree)
    assert len(read_table(tree / strange / "dino/clusters/utt2cluster")) == 24
    model = tree / f"a$({RUN}).pt"
    shutil.copy(tree / strange / "dino/model.pt", model)
    shutil.rmtree(tree / "exp")
    chain.run(tree, "--stage", "3", "--stop-stage", "3", *words, "--initial-model", model.name)
    assert nobody_was_let_in(tree)
    one, two = (load_model(path).encoder.state_dict() for path in (model, tree / strange / "dino/model.pt"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    shutil.rmtree(tree / "exp")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--exp", "exp/../../x"], "could leave exp/"),
        (["--exp", "exp/.."], "could leave exp/"),
        (["--data", "data/../x"], "could leave data/"),
        (["--data", "data/"], "must be under data/"),
        (["--exp", "exp/JOB"], "stands for the number of a job"),
        (["--exp", "exp/" + "x" * 300], "at most 200 letters"),
        (["--exp", "exp/a\x1b[2J"], "letters that can be printed"),
        (["--systems", "*"], "--systems and --initial take names"),
        (["--systems", "dino ../x"], "--systems and --initial take names"),
        (["--initial", "../x"], "--systems and --initial take names"),
        (["--corpus", "../x"], "--corpus is one of"),
        (["--ngpu", f"a[$({RUN})]"], "takes auto or a whole number"),
        (["--nj", f"a[$({RUN})]"], "takes a whole number"),
        (["--stage", "08"], "takes a whole number"),
    ],
)
def test_8_values_that_lead_elsewhere_are_refused(tree, words, said):
    done = chain.run(tree, "--dry-run", *words, check=False)
    assert done.returncode == 1 and said in done.stderr
    assert nobody_was_let_in(tree)


def test_a_name_may_end_in_a_slash(tree):
    words = ["--dry-run", "--stage", "7", "--set", "cluster.num_clusters=4", "--exp", "exp/x/"]
    assert chain.run(tree, *words).stdout.endswith("everything is in exp/x\n")


def test_ids_of_any_kind_go_through_jobs_as_they_are(tree, tiny):
    """Those of a table, through splitting, packing and merging, with the words of the script as strange as they are."""
    wav = next(iter(read_table(tiny / "train/wav.scp").values()))
    data, out = tree / "data/strange it's", tree / "data/out$(x)"
    data.mkdir()
    for name, value in (("wav.scp", wav), ("utt2spk", "spk")):
        (data / name).write_text("".join(f"{utt} {value}\n" for utt in IDS))
    words = ["utils/map_data.sh", "--nj", "3", data, out, "wav.scp,utt2num_samples"]
    chain.command(tree, *words, "steps/pack_audio.py", "--min-seconds", "0.1")
    assert list(read_table(out / "utt2num_samples")) == IDS
    assert nobody_was_let_in(tree) and not (tree.parent / "x").exists()
    words[2] = f"a[$({RUN})]"
    done = chain.command(tree, *words, "steps/pack_audio.py", check=False)
    assert done.returncode == 1 and "take whole numbers" in done.stderr and nobody_was_let_in(tree)
    shutil.rmtree(data)
    shutil.rmtree(out)


class Runs:
    """Unpickled, it makes a file."""

    def __reduce__(self):
        return os.system, ("touch PWNED",)


@pytest.mark.parametrize("form", ["model", "PKL", "NPY"])
def test_a_pickle_is_never_run(tmp_path, monkeypatch, form):
    monkeypatch.chdir(tmp_path)
    pickled = pickle.dumps(Runs())
    if form == "model":
        torch.save({"w": Runs()}, "model.pt")
        with pytest.raises(RecipeError, match=r"model\.pt: refused: loading this file would run code"):
            load_tensors("model.pt")
    else:
        if form == "NPY":
            np.save("x.npy", np.array([Runs()], dtype=object), allow_pickle=True)
            pickled = (tmp_path / "x.npy").read_bytes()
        (tmp_path / "x.ark").write_bytes(b"u0 " + form.encode() + pickled)
        (tmp_path / "x.scp").write_text(f"u0 {tmp_path}/x.ark:3\n")
        with pytest.raises(RecipeError, match=r"x\.scp:1: cannot read"):
            read_embeddings(tmp_path / "x.scp")
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.parametrize(
    "text", ["epochs: !!python/object/apply:os.system [touch PWNED]", "a: &a [*a, *a]", "- " * 1000, "x: " + "[" * 9999]
)
def test_settings_build_nothing(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dlglc.yaml").write_text(text + "\n")
    with pytest.raises(RecipeError, match=r"dlglc\.yaml:1: "):
        load_settings(DlglcSettings, tmp_path / "dlglc.yaml")
    assert not (tmp_path / "PWNED").exists()


def test_a_bundle_that_grows_when_it_is_unpacked_is_refused(tmp_path):
    write_bomb(tmp_path / "x.dlglc")
    with pytest.raises(RecipeError, match=r"x\.dlglc: not a bundle, or a damaged one: its parts are compressed"):
        read_bundle(tmp_path / "x.dlglc")


HOSTILE = [
    *("-rf.wav", f"$({RUN}).wav", f"`{RUN}`.wav", f";{RUN};.wav", "<script>.wav", "it's.wav", "*.wav", "~.wav"),
    *("a\nb.wav", "a\u2028b.wav", "x" * 200 + ".wav", f"{RUN} |"),
]


def test_names_of_recordings_are_only_names(bundles, capsys, tmp_path, monkeypatch):
    """For the commands of users: in files of people, in tables of groups, in archives of embeddings."""
    bundle, people, folder, recording = bundles.labelled, tmp_path / "p.npz", tmp_path / "speech", bundles.speech[0][0]
    folder.mkdir()
    for name in HOSTILE:
        shutil.copy(recording, folder / name)
    (folder / "<b>").mkdir()
    shutil.copy(recording, folder / "<b>/1.wav")
    monkeypatch.chdir(folder)
    count = len(list(folder.rglob("*.wav")))
    assert dlg_lc(capsys, "embed", "--out", tmp_path / "out", bundle, ".").status == 0
    ids = read_embeddings(tmp_path / "out/embedding.scp")[0]
    assert len(ids) == count
    dlg_lc(capsys, "who-is-who", "--out", tmp_path / "groups", bundle, ".")
    assert sorted(line.split(" ")[0] for line in (tmp_path / "groups").read_text().splitlines()) == sorted(ids)
    names = ["../../x", "-rf", f"$({RUN})", "x" * 10_000, "<script>alert(1)</script>"]
    for name in names:
        assert dlg_lc(capsys, "identify", "enrol", f"--name={name}", bundle, people, recording).status == 0
    assert set(dlg_lc(capsys, "identify", "list", "--json", bundle, people).json["people"]) == set(names)
    assert nobody_was_let_in(tmp_path) and not (tmp_path.parent / "x").exists()


@pytest.mark.parametrize("place", ["secret", "/etc/hostname", "../secret"])
def test_the_network_of_a_bundle_reads_no_other_file(tmp_path, monkeypatch, place):
    (tmp_path / "secret").write_bytes(bytes(16))
    monkeypatch.chdir(tmp_path)
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", place), ("offset", "0"), ("length", "16")):
        weights.external_data.add(key=key, value=value)
    node = helper.make_node("Identity", ["w"], ["embedding"])
    out = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [4])
    model = helper.make_model(helper.make_graph([node], "g", [], [out], [weights]), ir_version=8)
    with pytest.raises(RecipeError, match="the encoder: not a network of this recipe"):
        EncoderEngine(model.SerializeToString())
