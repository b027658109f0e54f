"""Problems of error rates: near chance, no better than nothing learned, worse from round to round."""

from pathlib import Path

from ..records import BACKENDS, read_json, variant_and_round
from .experiment import Experiment, Finding

NEAR_CHANCE = 40.0  # EER in percent
WORSE = 1.1  # a rate that rises by this factor, and by 0.5 percent points, where there are no intervals


def check_error_rates(experiment: Experiment) -> list[Finding] | str:
    """Error rates near chance, and trained systems that are no better than the untrained encoder."""
    if not experiment.records:
        return "no trials"
    found = []
    for record in experiment.records:
        system, backend, eer = record["system"], record["backend"], record["eer"]
        if system in ("mfcc", "untrained") or backend not in BACKENDS:
            continue
        untrained = experiment.eer("untrained", backend)
        if eer > NEAR_CHANCE:
            problem = f"EER is {eer:.1f} % by {BACKENDS[backend]}, and 50 % is chance"
            remedy = (
                "see whether the trial list is of this data (ids, target and nontarget the right way round). If it is, "
                "the training has learned nothing: see its loss, lower optimiser.lr, train longer"
            )
            found.append(Finding(system, problem, remedy))
        elif untrained and eer >= untrained["eer"]:
            before = f"the untrained encoder's {untrained['eer']:.1f} %"
            problem = f"EER is {eer:.1f} % by {BACKENDS[backend]}, no better than {before}"
            found.append(Finding(system, problem, "train longer (epochs), and see whether the loss falls at all"))
    return found


def check_rounds(experiment: Experiment) -> list[Finding] | str:
    """Rounds that are worse than the round before, by error rates, by NMI, or by what is known without labels."""
    pairs = [
        (before, after)
        for before, after in zip(experiment.rounds, experiment.rounds[1:])
        if variant_and_round(before.name)[0] == variant_and_round(after.name)[0]
    ]
    remedy = (
        "keep the round before. Fewer wrong labels are kept with a later dlglc.gate.from_epoch or a lower threshold; a "
        "higher dlglc.correction.confidence corrects fewer labels; another cluster.num_clusters may fit better"
    )
    found = []
    for before, after in pairs:
        for words in worse(experiment, before, after):
            found.append(Finding(after.name, f"worse than {before.name}: {words}", remedy))
    return found if pairs else "fewer than two rounds"


def worse(experiment: Experiment, before: Path, after: Path) -> list[str]:
    """What got worse from one round to the next, in words."""
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
        old, new = (read_json(system / "clusters" / file) or {} for system in (before, after))
        if key in old and key in new and new[key] < old[key] - margin:
            found.append(f"{title} falls from {old[key]:.3f} to {new[key]:.3f}")
    return found
