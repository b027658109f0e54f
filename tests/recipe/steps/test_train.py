"""Both trainers by their command lines: they run, resume to the bit, refuse to mix, and share among processes."""

import subprocess

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from support import scripts
from support.training import SMALL, dino_arguments, figures, lines, round_arguments, same_model
from support.waiting import Hold

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def dino(tiny, script, once):
    """A finished training; tests must not change it."""
    return once("dino", lambda out: script("steps/train_dino.py", *dino_arguments(tiny, out)))


@pytest.fixture(scope="session")
def utt2cluster(tiny, tmp_path_factory):
    """Labels by pitch, two of them wrong."""
    path = tmp_path_factory.mktemp("labels") / "utt2cluster"
    utts = [line.split()[0] for line in (tiny / "train/wav.scp").read_text().splitlines()]
    labels = {utt: int(utt[1]) for utt in utts}
    labels["s0-u1"], labels["s3-u2"] = 2, 0
    path.write_text("".join(f"{utt} {c}\n" for utt, c in labels.items()))
    return path


def test_dino_writes_what_it_says(dino):
    metrics = lines(dino / "metrics.jsonl")
    assert [m["epoch"] for m in metrics] == [1, 2, 3]
    assert {"cross_entropy", "cosine", "teacher_entropy", "batch_entropy", "embedding_std", "data_wait"} <= metrics[
        0
    ].keys()
    assert "epochs: 3" in (dino / "config.yaml").read_text()
    assert "train_dino.py" in (dino / "command").read_text()


def test_a_finished_run_is_reused_and_other_settings_are_refused(dino, tiny, script):
    before = (dino / "model.pt").stat().st_mtime_ns
    again = script("steps/train_dino.py", *dino_arguments(tiny, dino))
    assert "reused" in again.stdout
    assert (dino / "model.pt").stat().st_mtime_ns == before
    refused = script("steps/train_dino.py", *dino_arguments(tiny, dino, "epochs=4"), check=False)
    assert refused.returncode == 1
    assert "dino.epochs: 3, now 4" in refused.stderr
    assert "--overwrite" in refused.stderr
    assert (dino / "model.pt").stat().st_mtime_ns == before


def test_seeds_differ_and_repeat(dino, tiny, script, tmp_path):
    script("steps/train_dino.py", *dino_arguments(tiny, tmp_path / "same"))
    script("steps/train_dino.py", *dino_arguments(tiny, tmp_path / "other", options=["--seed", "1"]))
    assert same_model(dino / "model.pt", tmp_path / "same/model.pt")
    assert not same_model(dino / "model.pt", tmp_path / "other/model.pt")


def test_a_collapse_stops_the_run_unless_told_to_go_on(tiny, script, tmp_path):
    uniform = ["teacher_temperature.start=9.0", "teacher_temperature.end=9.0", "keep_every=2"]
    stopped = script("steps/train_dino.py", *dino_arguments(tiny, tmp_path / "a", *uniform), check=False)
    assert stopped.returncode == 1
    assert "collapse after epoch 2: every output is uniform" in stopped.stderr
    assert "lower teacher_temperature" in stopped.stderr
    assert [m["epoch"] for m in lines(tmp_path / "a/metrics.jsonl")] == [1, 2]
    went_on = script("steps/train_dino.py", *dino_arguments(tiny, tmp_path / "b", *uniform, "on_collapse=warn"))
    assert "collapse: every output is uniform" in went_on.stdout
    assert [p.name for p in (tmp_path / "b/epochs").iterdir()] == ["02.pt"]


def kill_in_mid_epoch(name: str, arguments: list, hold: Hold) -> None:
    """Start a training and kill it (SIGKILL) where it is held."""
    with scripts.start(name, *arguments, env=hold.environment, stdout=subprocess.DEVNULL) as process:
        try:
            hold.wait(process)
        finally:
            process.kill()


@pytest.mark.parametrize(("batch_size", "where"), [(6, "epoch 1, step 2"), (24, "epoch 2, step 1")])
def test_a_run_of_limited_hours_goes_on_to_the_same_bits(tiny, script, tmp_path, batch_size, where):
    arguments = [f"batch_size={batch_size}", "accumulate=2"]
    script("steps/train_dino.py", *dino_arguments(tiny, tmp_path / "whole", *arguments))
    limited = dino_arguments(tiny, tmp_path / "cut", *arguments, options=["--max-hours", "0"])
    stopped = script("steps/train_dino.py", *limited, check=False)
    assert stopped.returncode == 1
    assert f"stopped after 0 h (--max-hours), at {where}; the same command resumes from there" in stopped.stderr
    assert not (tmp_path / "cut/model.pt").exists()
    script("steps/train_dino.py", *dino_arguments(tiny, tmp_path / "cut", *arguments))
    assert same_model(tmp_path / "whole/model.pt", tmp_path / "cut/model.pt")


def test_dino_starts_from_another_model(dino, tiny, script, tmp_path):
    start = ["--initial-model", dino / "model.pt"]
    script("steps/train_dino.py", *dino_arguments(tiny, tmp_path / "same", "epochs=0", options=start))
    assert same_model(dino / "model.pt", tmp_path / "same/model.pt")
    other = dino_arguments(tiny, tmp_path / "other", "encoder.channels=32", options=start)
    refused = script("steps/train_dino.py", *other, check=False)
    assert refused.returncode == 1
    assert "has channels 16, here 32" in refused.stderr


# checkpoint_minutes=0 takes a checkpoint after every step; an epoch has four, and one at its end.
def test_a_killed_dino_run_ends_with_the_same_bits(tiny, script, tmp_path):
    settings = ["checkpoint_minutes=0", "epochs=4"]
    script("steps/train_dino.py", *dino_arguments(tiny, tmp_path / "whole", *settings))
    arguments = dino_arguments(tiny, tmp_path / "cut", *settings)
    kill_in_mid_epoch("steps/train_dino.py", arguments, Hold(tmp_path / "hold", 10))
    assert not (tmp_path / "cut/model.pt").exists()
    resumed = script("steps/train_dino.py", *arguments)
    assert "resuming at epoch 3, step 3 of 4" in resumed.stdout
    assert same_model(tmp_path / "whole/model.pt", tmp_path / "cut/model.pt")
    assert figures(tmp_path / "whole") == figures(tmp_path / "cut")


def test_a_killed_round_ends_with_the_same_bits_and_decisions(tiny, script, dino, utt2cluster, tmp_path):
    settings = ["checkpoint_minutes=0", "epochs=5"]
    script("steps/train_dlglc.py", *round_arguments(tiny, utt2cluster, dino, tmp_path / "whole", *settings))
    arguments = round_arguments(tiny, utt2cluster, dino, tmp_path / "cut", *settings)
    kill_in_mid_epoch("steps/train_dlglc.py", arguments, Hold(tmp_path / "hold", 14))
    assert not (tmp_path / "cut/model.pt").exists()
    resumed = script("steps/train_dlglc.py", *arguments)
    assert "resuming at epoch 4, step 3 of 4" in resumed.stdout
    assert same_model(tmp_path / "whole/model.pt", tmp_path / "cut/model.pt")
    for epoch in range(1, 6):
        with (
            np.load(tmp_path / f"whole/gate/epoch{epoch:02d}.npz") as a,
            np.load(tmp_path / f"cut/gate/epoch{epoch:02d}.npz") as b,
        ):
            for key in ("decision", "target", "log_loss"):
                np.testing.assert_array_equal(a[key], b[key])
    seen = []
    for name in ("whole", "cut"):
        events = EventAccumulator(str(tmp_path / name / "tensorboard"), size_guidance={"histograms": 0})
        events.Reload()
        seen.append([(event.step, list(event.histogram_value.bucket)) for event in events.Histograms("log_loss")])
    assert seen[0] == seen[1]
    assert [step for step, _ in seen[0]] == [1, 2, 3, 4, 5]


def test_stages_of_a_round_begin_when_the_config_says(tiny, script, dino, utt2cluster, tmp_path):
    script("steps/train_dlglc.py", *round_arguments(tiny, utt2cluster, dino, tmp_path / "r"))
    metrics = lines(tmp_path / "r/metrics.jsonl")
    assert metrics[0]["gate"] == "off"
    assert metrics[0]["kept"] == 1.0
    assert all(m["gate"] != "off" for m in metrics[1:])
    assert metrics[1]["corrected"] == 0.0
    for m in metrics:
        assert m["kept"] + m["corrected"] + m["dropped"] == pytest.approx(1.0, abs=1e-4)
    truth = tiny / "train/utt2spk.truth"
    script("steps/gate_quality.py", tmp_path / "r", utt2cluster, truth)
    quality = lines(tmp_path / "r/gate_quality.jsonl")
    assert quality[0]["labels_right"] == pytest.approx(22 / 24, abs=1e-4)
    assert [q["kept"] for q in quality] == pytest.approx([m["kept"] for m in metrics], abs=1e-3)


@pytest.mark.parametrize(
    ("settings", "gate"),
    [(["gate.mode=fixed", "correction.mode=none"], "fixed"), (["gate.mode=none", "correction.mode=none"], "off")],
)
def test_the_baselines_are_choices_of_the_config(tiny, script, dino, utt2cluster, tmp_path, settings, gate):
    script("steps/train_dlglc.py", *round_arguments(tiny, utt2cluster, dino, tmp_path / "r", *settings))
    metrics = lines(tmp_path / "r/metrics.jsonl")
    assert metrics[-1]["gate"] == gate
    assert all(m["corrected"] == 0 for m in metrics)
    if gate == "fixed":
        assert metrics[-1]["threshold"] == pytest.approx(1.0)


def test_reduced_precision_is_what_it_says(dino, tiny, script, tmp_path):
    script("steps/train_dino.py", *dino_arguments(tiny, tmp_path / "half", "precision=bfloat16"))
    full, half = lines(dino / "metrics.jsonl")[0], lines(tmp_path / "half/metrics.jsonl")[0]
    assert half["cross_entropy"] == pytest.approx(full["cross_entropy"], rel=0.02)
    # In bfloat16 some weight must differ, or nothing was cast.
    assert not same_model(dino / "model.pt", tmp_path / "half/model.pt")


def test_features_from_an_ark_train_too(tiny, script, tmp_path):
    script("steps/make_fbank.py", tiny / "train", tmp_path / "feats")
    data = tmp_path / "data"
    data.mkdir()
    for name in ("wav.scp", "utt2spk", "spk2utt"):
        (data / name).write_text((tiny / "train" / name).read_text())
    (data / "feats.scp").write_text((tmp_path / "feats/feats.scp").read_text())
    script(
        "steps/train_dino.py",
        data,
        tmp_path / "dino",
        "--set",
        *SMALL,
        "input=feats",
        "epochs=1",
        "average_epochs=1",
        "freeze_last_epochs=0",
    )
    script("steps/extract_embeddings.py", tmp_path / "dino/model.pt", data, tmp_path / "embeddings")
    assert len((tmp_path / "embeddings/embedding.scp").read_text().splitlines()) == 24


def test_two_processes_train_one_model(tiny, dino, utt2cluster, tmp_path):
    done = scripts.torchrun(2, "steps/train_dino.py", *dino_arguments(tiny, tmp_path / "dino"))
    assert done.returncode == 0, done.stderr
    assert len(lines(tmp_path / "dino/metrics.jsonl")) == 3
    done = scripts.torchrun(2, "steps/train_dlglc.py", *round_arguments(tiny, utt2cluster, dino, tmp_path / "round"))
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "round/gate/epoch01.npz") as record:  # every utterance was seen by one of the two
        assert (record["decision"] == 1).all()
        assert np.isfinite(record["log_loss"]).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["head.outptus=3"], "Did you mean 'outputs'"),
        (["optimiser.name=adam"], "must be sgd or adamw"),
        (["precision=half"], "float32, bfloat16 or float16"),
        (["encoder.name=resnet"], "must be ecapa_tdnn"),
        (["input=mfcc"], "must be wav or feats"),
    ],
)
def test_wrong_settings_are_named_before_anything_starts(tiny, script, tmp_path, settings, words):
    done = script("steps/train_dino.py", *dino_arguments(tiny, tmp_path / "x", *settings), check=False)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_labels_are_named(tiny, script, dino, utt2cluster, tmp_path):
    short = tmp_path / "utt2cluster"
    short.write_text("".join(utt2cluster.read_text().splitlines(keepends=True)[:-1]))
    done = script("steps/train_dlglc.py", *round_arguments(tiny, short, dino, tmp_path / "r"), check=False)
    assert done.returncode == 1
    assert "no cluster for 's3-u5'" in done.stderr


def test_truth_is_opened_by_the_reports_alone(root):
    """utt2spk.truth is named by what only reports, and by the preparation, which writes it."""
    users = {p.name for p in (root / "steps").rglob("*.py") if "truth" in p.read_text()}
    reports = {"cluster_quality.py", "gate_quality.py", "quality.py", "compute_metrics.py", "compare_systems.py"}
    reports |= {"make_bundle.py", "making.py"}  # thresholds of a bundle come from trials where there are any
    reports |= {"make_report.py", "diagnose.py", "truth.py", "experiment.py", "gates.py", "listening.py", "maps.py"}
    preparation = {"tables.py", "finishing.py", "finish_data.py"}
    assert users <= reports | preparation
