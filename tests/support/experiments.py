"""An experiment as the stages leave it, written in a moment: figures, embeddings, clusters, scores, audio."""

import json
from pathlib import Path

import numpy as np
import soundfile

from dlglc.data.arks import write_embeddings
from dlglc.data.tables import write_table, write_unlabelled
from dlglc.files import write_lines
from dlglc.reports.quality import cluster_quality, gate_quality
from dlglc.scoring.metrics import roc, summary
from dlglc.scoring.scores import write_scores
from dlglc.settings import load_settings, save_settings
from dlglc.settings.schema import DinoSettings, DlglcSettings

HOSTILE = '<img/src=x/onerror=alert(1)>"&amp;$x$'  # an id that would be a picture and a script, if it were not text
SPEAKERS, UTTERANCES = 6, 8
NOISE = {"untrained": 4.0, "dino": 1.2, "round1": 0.6, "round2": 0.3}  # of the embeddings
EPOCHS = 4


def write_experiment(top: Path, truth: bool = True, trials: bool = True) -> tuple[Path, Path]:
    """Write TOP/exp/x and TOP/data/x.

    Each speaker has two sessions. Ids of one speaker are HOSTILE. Embeddings get better from system to system.

    Args:
        top: a folder.
        truth: true speakers are known.
        trials: there are trials and scores.

    Returns:
        the folders of the experiment and of its data.
    """
    exp, data = top / "exp/x", top / "data/x"
    speakers = [HOSTILE, *(f"s{number}" for number in range(1, SPEAKERS))]
    owner = {f"{speaker}-u{number}": speaker for speaker in speakers for number in range(UTTERANCES)}
    ids = sorted(owner)
    rng = np.random.default_rng(0)
    for part in ("train", "eval") if trials else ("train",):
        write_data(data / part, ids, owner, rng)
        if not truth:
            (data / part / "utt2spk.truth").unlink()
    if trials:
        pairs = [(one, other) for one in ids for other in ids if one < other]
        lines = [f"{a} {b} {'target' if owner[a] == owner[b] else 'nontarget'}" for a, b in pairs]
        write_lines(data / "eval/trials", lines)
    centres = dict(zip(speakers, 3 * rng.normal(size=(SPEAKERS, 8))))
    before = None
    for system, noise in NOISE.items():
        points = np.array([centres[owner[utt]] for utt in ids]) + noise * rng.normal(size=(len(ids), 8))
        write_system(exp / system, ids, owner, points, before, truth)
        if trials:
            write_trial_scores(exp / system, ids, points, data / "eval/trials")
        before = exp / system / "clusters/utt2cluster"
    return exp, data


def write_data(folder: Path, ids: list[str], owner: dict[str, str], rng: np.random.Generator) -> None:
    """Write a data directory of noises of 0.5 s."""
    folder.mkdir(parents=True)
    wav = {}
    for number, utt in enumerate(ids):
        wav[utt] = folder / f"{number}.wav"
        soundfile.write(wav[utt], (3000 * rng.normal(size=8000)).clip(-32000, 32000).astype(np.int16), 16000)
    sessions = {utt: f"{owner[utt]}-session{int(utt[-1]) % 2}" for utt in ids}
    write_unlabelled(folder, wav, owner, utt2sess=sessions, utt2dur=dict.fromkeys(ids, 0.5))


def write_system(
    folder: Path, ids: list[str], owner: dict[str, str], points: np.ndarray, before: Path | None, truth: bool
) -> None:
    """Write what stages 3 to 5 leave. Clusters are the speakers, with one mistake in ten."""
    write_embeddings(folder / "train", ids, points)
    rng = np.random.default_rng(len(folder.name))
    names = sorted(set(owner.values()))
    clusters = {utt: names.index(owner[utt]) for utt in ids}
    for utt in rng.choice(ids, len(ids) // 10, replace=False):
        clusters[str(utt)] = int(rng.integers(len(names)))
    write_table(folder / "clusters/utt2cluster", clusters)
    labels = [str(clusters[utt]) for utt in ids]
    if truth:
        quality = cluster_quality(labels, [owner[utt] for utt in ids])
        (folder / "clusters/quality.json").write_text(json.dumps(quality))
    else:
        found = {"num_clusters": 6, "seed_agreement": 0.8, "silhouette": 0.4, "median": 8.0, "largest": 9}
        (folder / "clusters/unlabelled.json").write_text(json.dumps(found))
        lines = [f"{cluster} {ids[8 * cluster + place]} central" for cluster in range(6) for place in (0, 1)]
        write_lines(folder / "clusters/listen.txt", lines)
    if folder.name == "untrained":
        return
    schema, words = (
        (DinoSettings, ["epochs=4", "optimiser.warmup_epochs=1", "average_epochs=1", "freeze_last_epochs=1"])
        if folder.name == "dino"
        else (DlglcSettings, ["gate.from_epoch=2"])
    )
    settings = load_settings(schema, None, words)
    save_settings(settings, folder / "config.yaml")
    inputs = {} if before is None or folder.name == "dino" else {str(before): "?"}
    record = {"settings": {schema.idea: settings.model_dump(), "seed": 7}, "inputs": inputs}
    (folder / "stamp.json").write_text(json.dumps(record))
    (folder / "command").write_text("steps/train.py <data>\n# git abc · a machine\n")
    lines = dino_lines() if folder.name == "dino" else write_gates(folder, labels, rng)
    write_lines(folder / "metrics.jsonl", map(json.dumps, lines))
    if folder.name != "dino" and truth:
        quality = gate_quality(folder / "gate", labels, [owner[utt] for utt in ids])
        write_lines(folder / "gate_quality.jsonl", map(json.dumps, quality))


SPEED = {"lr": 0.1, "seconds": 30.0, "utterances_per_second": 50.0, "data_wait": 0.1}


def dino_lines() -> list[dict]:
    """metrics.jsonl of a healthy DINO."""
    health = {"batch_entropy": 5.4, "teacher_entropy": 3.0, "embedding_std": 1.0}
    return [{"epoch": epoch, **SPEED, **health, "loss": 9.0 / epoch} for epoch in range(1, EPOCHS + 1)]


def write_gates(folder: Path, labels: list[str], rng: np.random.Generator) -> list[dict]:
    """Write gate/epochNN.npz of a round; returns its metrics.jsonl."""
    (folder / "gate").mkdir()
    lines = []
    for epoch in range(1, EPOCHS + 1):
        losses = rng.normal(size=len(labels)).astype("f4")
        decision = np.ones(len(labels), np.int8) if epoch == 1 else rng.integers(3, size=len(labels), dtype=np.int8)
        target = np.array(list(map(int, labels)), np.int32)
        np.savez_compressed(folder / f"gate/epoch{epoch:02d}.npz", decision=decision, target=target, log_loss=losses)
        line = {"epoch": epoch, **SPEED, "loss": 5.0 / epoch, "accuracy": 0.2 * epoch, "gate": "off", "threshold": None}
        if epoch > 1:
            line |= {"gate": "crossing", "threshold": 1.5, "mixture_weights": [0.4, 0.6]}
            line |= {"mixture_means": [-1.0, 1.0], "mixture_variances": [0.5, 0.25]}
        shares = np.bincount(decision, minlength=3) / len(decision)
        lines.append(line | dict(zip(("dropped", "kept", "corrected"), shares.tolist())))
    return lines


def write_trial_scores(folder: Path, ids: list[str], points: np.ndarray, trials: Path) -> None:
    """Write scores by cosine, and the same scores as AS-norm and PLDA, with their error rates."""
    rows = [line.split() for line in trials.read_text().splitlines()]
    place = {utt: number for number, utt in enumerate(ids)}
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    scores = np.array([unit[place[a]] @ unit[place[b]] for a, b, _ in rows])
    target = np.array([kind == "target" for *_, kind in rows])
    for backend in ("cosine", "asnorm", "plda"):
        write_scores(folder / "scores" / backend, [a for a, *_ in rows], [b for _, b, _ in rows], scores)
        found = summary(roc(scores, target))
        found["eer_ci"] = [round(0.8 * found["eer"], 4), round(1.2 * found["eer"], 4)]
        (folder / f"scores/{backend}.json").write_text(json.dumps(found))
