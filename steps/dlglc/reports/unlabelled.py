"""The part of RESULTS.md that needs no labels: figures of the clusters of each system, and utterances to listen to."""

from pathlib import Path
from typing import Any

from ..data.folder import shown_path
from ..data.tables import read_table
from .markdown import markdown_table
from .records import read_figures, read_lines, systems_of

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
EXPLANATION = """\
These figures need no labels, and do not say the error rate of speaker verification. The columns mean:

- **agreement** is the adjusted Rand index of two clusterings: 1 = the same clusters, 0 = chance. Clusters that change
  with the seed (below about 0.6) are not speakers. Stable clusters can be speakers, but also rooms, microphones or
  groups of similar voices: listen to them.
- **silhouette**, from -1 to 1, says how much nearer an utterance is to its own cluster than to the next one. Compare
  only systems with about the same number of clusters.
- **same-recording EER** says how well pairs of one recording (or session) are told from pairs of different recordings.
  It is a rough substitute for speaker verification. It mixes speaker and channel: a system that recognises only the
  microphone has a low value too.
- **kept, corrected, dropped** are the shares of labels that gate and correction kept, corrected and dropped in the last
  epoch of the round.

A few labelled files give real error rates: use `--labels FILE` or `--held-out DIR` of run.sh."""


def unlabelled_section(exp_dir: Path, data: Path | None) -> list[str]:
    """The parts of the page; empty if no system was assessed without labels.

    Args:
        exp_dir: directory of the experiment.
        data: its data directory, for the paths of the utterances to listen to.
    """
    rows, last = [], None
    for system in systems_of(exp_dir):
        found = read_figures(system / "clusters/unlabelled.json", (), ("seed_agreement",))
        if not found:
            continue
        last = system
        rows.append([system.name, *(cell({**found, **shares_of(system)}.get(key)) for key in COLUMNS)])
    if last is None:
        return []
    parts = ["## What is known without labels", markdown_table(["system", *COLUMNS.values()], rows), EXPLANATION]
    return parts + listen_section(last, data)


def shares_of(system: Path) -> dict[str, float]:
    """Percentages of the labels that were kept, corrected and dropped in the last epoch of a round."""
    lines = read_lines(system / "metrics.jsonl")
    return {key: 100 * lines[-1][key] for key in ("kept", "corrected", "dropped") if lines and key in lines[-1]}


def cell(value: Any, decimals: int | None = None) -> str:
    """A figure with three digits, or with so many decimals; – if there is none."""
    if value is None:
        return "–"
    if decimals is not None:
        return f"{value:.{decimals}f}"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def as_code(path: str) -> str:
    """A path as code in a cell of a table."""
    mark = "``" if "`" in path else "`"
    return f"{mark}{shown_path(path)}{mark}".replace("|", "\\|")


def listen_section(system: Path, data: Path | None, most: int = 20) -> list[str]:
    """Utterances of the `most` largest clusters, with their files."""
    lines = [line.split() for line in (system / "clusters/listen.txt").read_text(encoding="utf-8").splitlines()]
    clusters = list(dict.fromkeys(cluster for cluster, *_ in lines))[:most]
    tables = {
        name: read_table(data / name) if data and (data / name).exists() and (data / name).stat().st_size else {}
        for name in ("train/utt2reco", "train/utt2segment", "local/train/wav.scp")
    }
    reco, segments, where = tables.values()
    rows = []
    for cluster, utt, place in lines:
        if cluster in clusters:
            file = as_code(where.get(reco.get(utt, utt), "–"))
            if utt in segments:
                file += ", {1} to {2} s".format(*segments[utt].split())
            rows.append([cluster, place, utt.replace("|", "\\|"), file])
    title = f"### Listen to {system.name}'s largest clusters"
    text = "The most central utterance of each cluster, a middle one, the farthest. All three should be of one voice."
    return [title, text, markdown_table(["cluster", "place", "utterance", "file"], rows, left=4)]
