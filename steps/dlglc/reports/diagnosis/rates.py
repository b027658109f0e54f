"""Problems of error rates: near chance, no better than nothing learned, worse from round to round."""

import itertools
from pathlib import Path

from ..records import BACKENDS, read_figures, variant_and_round
from .experiment import Experiment, Finding

NEAR_CHANCE = 40.0  # EER in percent
WORSE = 1.1  # a rate that rises by this factor, and by 0.5 percent points, where there are no intervals


def check_error_rates(experiment: Experiment) -> list[Finding] | str:
    """Error rates near chance, and trained systems that are no better than the untrained encoder."""
    if not experiment.records:
        return "no trials"
    found = []
    for system in dict.fromkeys(record["system"] for record in experiment.records):
        if system not in ("mfcc", "untrained"):
            found += rate_findings(experiment, system)
    return found


def rate_findings(experiment: Experiment, system: str) -> list[Finding]:
    """What is wrong with the error rates of a trained system, all back-ends in one finding."""
    chance, equal = [], []
    for backend, title in BACKENDS.items():
        record, untrained = experiment.eer(system, backend), experiment.eer("untrained", backend)
        if record and record["eer"] > NEAR_CHANCE:
            chance.append(f"{record['eer']:.1f} % by {title}")
        elif record and untrained and record["eer"] >= untrained["eer"]:
            equal.append(f"{record['eer']:.1f} % by {title}, where the untrained encoder has {untrained['eer']:.1f} %")
    found = []
    if chance:
        remedy = (
            "see whether the trial list is of this data (ids, target and nontarget the right way round). If it is, "
            "the training has learned nothing: see its loss, lower optimiser.lr, train longer"
        )
        found.append(Finding(system, f"EER is near chance, which is 50 %: {', '.join(chance)}", remedy))
    if equal:
        remedy = "train longer (epochs), and see whether the loss falls at all"
        found.append(Finding(system, f"EER is no better than before training: {'; '.join(equal)}", remedy))
    return found


def check_rounds(experiment: Experiment) -> list[Finding] | str:
    """Rounds that are worse than DINO or the round before: in EER, in NMI, or in what is known without labels."""
    first = [system for system in experiment.lines if system.name == "dino"]
    variants = dict.fromkeys(variant_and_round(system.name)[0] for system in experiment.rounds)
    remedy = (
        "keep the system before. Fewer wrong labels are kept with a later dlglc.gate.from_epoch or a lower threshold; "
        "a higher dlglc.correction.confidence corrects fewer labels; another cluster.num_clusters may fit better"
    )
    found = []
    for variant in variants:
        steps = [*first, *(system for system in experiment.rounds if variant_and_round(system.name)[0] == variant)]
        for before, after in itertools.pairwise(steps):
            words = worse(experiment, before, after)
            if words:
                found.append(Finding(after.name, f"worse than {before.name}: {'; '.join(words)}", remedy))
    return found if variants else "no rounds"


def worse(experiment: Experiment, before: Path, after: Path) -> list[str]:
    """What got worse from one system to the next, in words."""
    found = []
    for backend, title in BACKENDS.items():
        old, new = experiment.eer(before.name, backend), experiment.eer(after.name, backend)
        if old and new:
            bound = old["eer_ci"][1] if "eer_ci" in old else max(WORSE * old["eer"], old["eer"] + 0.5)
            if new["eer"] > bound:
                found.append(f"EER by {title} rises from {old['eer']:.2f} to {new['eer']:.2f} %")
    for file, key, title, margin in (
        ("quality.json", "nmi", "NMI of the clusters", 0.02),
        ("unlabelled.json", "seed_agreement", "agreement of clusters between seeds", 0.1),
    ):
        old, new = (read_figures(system / "clusters" / file) for system in (before, after))
        if key in old and key in new and new[key] < old[key] - margin:
            found.append(f"{title} falls from {old[key]:.3f} to {new[key]:.3f}")
    return found
