"""The card of a bundle: what is known of a model, for programs (JSON) and for people (Markdown)."""

from pathlib import Path
from typing import Any

import numpy as np

from ..data.columns import read_columns
from ..data.tables import read_table
from ..reports.markdown import markdown_table
from .decision import Decision
from .scorer import BACKENDS

RATES = (0.001, 0.01, 0.05, 0.1)  # of the table of thresholds


def data_record(data: Path, num_clusters: int) -> dict[str, Any]:
    """Figures of the training set.

    Args:
        data: data directory of the experiment, with the set `train`.
        num_clusters: of the pseudo labels.
    """
    train = data / "train"
    utterances = len(read_columns(train / "wav.scp")[0])
    record: dict[str, Any] = {"name": data.name, "utterances": utterances, "clusters": num_clusters}
    if (train / "utt2dur").exists():
        seconds = np.array([float(value) for value in read_table(train / "utt2dur").values()])
        record["hours"] = round(float(seconds.sum()) / 3600, 3)
        record["seconds"] = [round(float(value), 2) for value in np.quantile(seconds, (0.05, 0.5, 0.95))]
    origin = train / "utt2reco"
    if origin.exists() and origin.stat().st_size:
        record["recordings"] = len(set(read_table(origin).values()))
    return record


def limits(record: dict[str, Any], published: bool, results: dict[str, Any] | None, notes: list[str]) -> list[str]:
    """What the model cannot be expected to do, as sentences.

    Args:
        record: of the training set, from data_record.
        published: the training started from an encoder that was not trained here.
        results: error rates, if there were trials.
        notes: what the maker of the bundle knows of languages, microphones, licences.
    """
    hours = f"{record['hours']:g} hours" if "hours" in record else f"{record['utterances']} utterances"
    heard = f"The model has heard {hours} of unlabelled speech ({record['name']})"
    if published:
        heard += ", and before that what its start was trained on, which this card does not know"
    else:
        heard += " and nothing else"
    found = [
        f"{heard}. Other microphones, rooms, ages and ways of speaking are not covered.",
        "Nobody has recorded which languages the training speech holds. Measure before you use it for a language that "
        "is not among them.",
    ]
    if "seconds" in record:
        low, _, high = record["seconds"]
        text = f"Nine of ten training utterances have {low:g} to {high:g} s. Scores of shorter ones are uncertain."
        found.append(text)
    if results is None:
        found.append("No labelled trial has been scored: the error rate is unknown.")
    else:
        found.append(
            f"The error rate is that of {results['num_target'] + results['num_nontarget']:,} trials of "
            f"{results['speakers'] or 'some'} speakers of the same corpus. Expect more errors elsewhere."
        )
    found.append(
        "Training took the recordings of a cluster for one person. Where a person was always recorded in one session, "
        "the model may know the session instead of the voice: compare recordings of different days before you trust it."
    )
    if published:
        found.append(
            "Training on a cluster's recordings of one day can take away what the start knew about voices on other "
            "days. Nothing without labels shows it: compare both on recordings of different days."
        )
    found.append("It does not tell live speech from a replayed, imitated or synthetic voice.")
    return found + notes


def card_page(card: dict[str, Any], decision: Decision) -> str:
    """The card as a page."""
    data, results = card["data"], card["results"]
    figures = [[key, ", ".join(map(str, value if isinstance(value, list) else [value]))] for key, value in data.items()]
    rows = [
        [f"{100 * rate:g} %", f"{decision.threshold(rate):.4f}", *([f"{100 * miss:.1f} %"] if miss is not None else [])]
        for rate in RATES
        if decision.rates[0] <= rate <= decision.rates[-1]
        for miss in [decision.miss(rate)]
    ]
    head = ["false accepts", "threshold", *(["misses"] if len(decision.misses) else [])]
    origin = (
        f"From {decision.different:,} pairs of different people and {decision.same:,} pairs of one person in labelled "
        "trials."
        if decision.source == "labels"
        else f"From {decision.different:,} pairs of different clusters of the training set. Nothing is labelled: "
        "the true rate of false accepts can be several times as high or as low, and nothing is known about misses."
    )
    parts = [
        f"# {card['name']}",
        f"Speaker verification model, {card['encoder']['name']}, {card['dimension']} dimensions. Made by dlg-lc "
        f"{card['version']} ({card['code']}). Score: {BACKENDS[card['backend']['backend']]}.",
        "## Training data",
        markdown_table(["figure", "value"], figures),
        "## Results",
        describe_results(results),
        "## Thresholds",
        origin,
        markdown_table(head, rows) if rows else "There are too few pairs for the usual rates.",
        "## Probabilities",
        decision.describe_calibration(),
        "## Limits",
        "\n".join(f"- {limit}" for limit in card["limits"]),
        "## Settings",
        "\n".join(f"- {name}: {value}" for name, value in {**card["encoder"], **card["features"]}.items()),
        "## Parts of other makers",
        "`speech.onnx` is Silero VAD (https://github.com/snakers4/silero-vad), MIT licence.",
    ]
    return "\n\n".join(parts) + "\n"


def describe_results(results: dict[str, Any] | None) -> str:
    """The error rates as a sentence."""
    if results is None:
        return "There were no labelled trials: the error rate is unknown."
    text = f"EER {results['eer']:.2f} %"
    if "eer_ci" in results:
        text += " (95 % interval over speakers {:.2f} to {:.2f})".format(*results["eer_ci"])
    trials = f"{results['num_target']:,} target and {results['num_nontarget']:,} nontarget trials"
    return f"{text}, minDCF(0.01) {results['mindcf_0.01']:.3f}, on {trials}."
