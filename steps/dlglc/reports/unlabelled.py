"""The part of RESULTS.md that needs no label: what is known of each system's clusters, and what to listen to."""

from pathlib import Path
from typing import Any

from ..data.tables import read_table
from .markdown import markdown_table
from .records import read_json, read_lines, systems_of

COLUMNS = {
    "num_clusters": "clusters",
    "median": "median size",
    "largest": "largest",
    "singletons": "of one utterance",
    "seed_agreement": "agreement between seeds",
    "round_agreement": "with the labels before",
    "silhouette": "silhouette",
    "same_recording_eer": "same-recording EER %",
    "kept": "kept %",
    "corrected": "corrected %",
    "dropped": "dropped %",
}
TRUST = """\
Nobody has labelled this speech, so no error rate of speakers is known. What the columns tell, and how far to trust it:

- **agreement** is the adjusted Rand index of two clusterings: 1 the same, 0 as chance has it. Clusters that change with
  the seed (below about 0.6) are no speakers. Stable clusters may still be rooms, microphones or sexes: listen to them.
- **silhouette**, from -1 to 1: how much nearer an utterance is to its own cluster than to the next one. Compare it
  between systems of about the same number of clusters only.
- **same-recording EER**: how well pairs of one recording (or session) are told from pairs of others. It stands in for
  speaker verification and confounds speaker and channel: a system that only hears the microphone does well here.
- **kept, corrected, dropped**: what gate and correction did with the labels in the last epoch of the round.

A few labelled files give real figures: `--labels FILE` or `--held-out DIR` of run.sh."""


def unlabelled_section(exp_dir: Path, data: Path | None) -> list[str]:
    """The parts of the page; empty where no system was assessed without labels.

    Args:
        data: data directory of the experiment, for the paths of what to listen to.
    """
    rows, last = [], None
    for system in systems_of(exp_dir):
        found = read_json(system / "clusters/unlabelled.json")
        if found is None:
            continue
        last = system
        lines = read_lines(system / "metrics.jsonl")
        shares = {key: 100 * lines[-1][key] for key in ("kept", "corrected", "dropped") if lines and key in lines[-1]}
        rows.append([system.name, *(cell({**found, **shares}.get(key)) for key in COLUMNS)])
    if last is None:
        return []
    parts = ["## What is known without labels", markdown_table(["system", *COLUMNS.values()], rows), TRUST]
    return parts + listen_section(last, data)


def cell(value: Any) -> str:
    """A figure in few digits."""
    return "–" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def listen_section(system: Path, data: Path | None, most: int = 20) -> list[str]:
    """Utterances of the largest clusters, with the files that they come from."""
    lines = [line.split() for line in (system / "clusters/listen.txt").read_text(encoding="utf-8").splitlines()]
    clusters = list(dict.fromkeys(cluster for cluster, *_ in lines))[:most]
    reco, where = {}, {}
    if data and (data / "train/utt2reco").exists() and (data / "local/train/wav.scp").exists():
        reco, where = read_table(data / "train/utt2reco"), read_table(data / "local/train/wav.scp")
    rows = [
        [cluster, place, utt, f"`{where.get(reco.get(utt, utt), '–')}`"]
        for cluster, utt, place in lines
        if cluster in clusters
    ]
    title = f"### Listen to {system.name}'s largest clusters"
    text = "The most central utterance of each cluster, a middle one and the farthest. One voice in all three is good."
    return [title, text, markdown_table(["cluster", "place", "utterance", "file"], rows, left=4)]
