"""Problems of clusters: doubtful sizes, no stability, sessions in place of speakers."""

import numpy as np

from ...arrays import Array
from ...clusters.sizes import size_warnings
from ..records import BACKENDS, read_figures
from ..session_signs import known_sessions, session_agreement, speaker_pairs
from .experiment import Experiment, Finding, percent

REMEDY_FOR_SESSIONS = (
    "add noise and rooms (augment.both_share, augment.probability), lower the weight of the channel "
    "(cluster.whiten=0.25), and choose cluster.num_clusters near the number of people"
)


def check_sizes(experiment: Experiment) -> list[Finding] | str:
    """One giant cluster, or clusters of very few utterances."""
    clusters = experiment.clusters
    found = []
    for system, table in clusters.items():
        sizes = np.unique(list(table.values()), return_counts=True)[1]
        warnings = size_warnings(sizes, len(sizes))
        found += [Finding(system.name, f"clusters: {p}", r) for p, r in map(split_warning, warnings)]
        if not any(warning.startswith("one of them") for warning in warnings):
            found += giant(system.name, sizes)
    return found if clusters else "no clusters"


def giant(system: str, sizes: Array) -> list[Finding]:
    """A cluster with more than a quarter of all utterances, where there are eight clusters or more."""
    if len(sizes) < 8 or sizes.max() <= sizes.sum() / 4:
        return []
    problem = f"clusters: one of {len(sizes)} clusters has {sizes.max()} of {sizes.sum()} utterances"
    remedy = (
        "listen to this cluster (the largest one in clusters/utt2cluster): silence, noise and copies gather there. "
        "cluster.whiten=0.25 lowers the weight of the channel"
    )
    return [Finding(system, problem, remedy)]


def split_warning(warning: str) -> tuple[str, str]:
    """Problem and remedy of a sentence of clusters.sizes.size_warnings."""
    problem, _, remedy = warning.partition(": ")
    return problem, remedy


def check_stability(experiment: Experiment) -> list[Finding] | str:
    """Clusters of the last system that change with the seed."""
    files = [system / "clusters/unlabelled.json" for system in experiment.systems if system.name != "untrained"]
    files = [file for file in files if file.exists()]
    if not files:
        return "assessed without labels only"
    agreement = read_figures(files[-1], ("seed_agreement",))["seed_agreement"]
    if agreement >= 0.5:
        return []
    problem = f"clusters change with the seed: agreement {agreement:.2f}, where 1 is the same clusters and 0 is chance"
    remedy = "choose another cluster.num_clusters (steps/propose_num_clusters.py proposes one), or train longer"
    return [Finding(files[-1].parents[1].name, problem, remedy)]


def check_sessions(experiment: Experiment) -> list[Finding] | str:
    """Clusters that are sessions: by the true speakers where they are known, else by a sign without labels."""
    clusters = experiment.clusters
    if not clusters or experiment.data is None:
        return "no clusters"
    system, table = list(clusters.items())[-1]
    sessions = known_sessions(experiment.data / "train", list(table))
    found = []
    if sessions:
        found = session_findings(system.name, table, sessions, experiment.speakers)
    for backend, title in BACKENDS.items():
        within, across = (experiment.eer(system.name, f"{backend}_{part}") for part in ("within", "across"))
        if within and across and across["eer"] > max(2 * within["eer"], within["eer"] + 3):
            problem = (
                f"EER by {title} is {across['eer']:.1f} % across sessions and {within['eer']:.1f} % within: "
                "much of what the system recognises is the session"
            )
            found.append(Finding(system.name, problem, REMEDY_FOR_SESSIONS))
    return found if sessions or experiment.eer(system.name, "cosine_across") else "no sessions known"


def session_findings(
    system: str, table: dict[str, str], sessions: list[str], speakers: dict[str, str]
) -> list[Finding]:
    """The finding on a system's clusters; empty if they are not the sessions.

    Args:
        system: its name.
        table: utt2cluster.
        sessions: session of each of its utterances.
        speakers: true speaker of each utterance; empty if they are not known.
    """
    labels = list(table.values())
    if speakers:
        found = speaker_pairs(labels, sessions, [speakers.get(utt, utt) for utt in table])
        if found is None or found.number < 50 or found.across >= 0.5 * found.same:
            return []
        problem = (
            f"clusters are sessions, not speakers: of pairs of one speaker, {percent(found.same)} are in one cluster "
            f"if they are of one session, and {percent(found.across)} if they are of two"
        )
        return [Finding(system, problem, REMEDY_FOR_SESSIONS)]
    agreement = session_agreement(labels, sessions)
    if agreement.sessions < 5 or agreement.pure < 0.9 or agreement.whole < 0.5:
        return []
    problem = (
        f"clusters may be sessions, not speakers: {percent(agreement.pure)} of the utterances are of the main session "
        f"of their cluster, and {percent(agreement.whole)} are in the main cluster of their session"
    )
    doubt = "this is as it should be if each person has one session only. Else "
    return [Finding(system, problem, doubt + REMEDY_FOR_SESSIONS)]
