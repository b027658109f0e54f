"""Say whether recordings are of one person.

The last recording is compared with those before it, which must all be of one person. The answer has a score, a verdict
at a threshold, and where the threshold comes from. A probability is there if the bundle was made with labelled trials.

Example
    dlg-lc verify bundle.dlglc anna1.wav anna2.m4a unknown.wav
"""

import argparse

from .common import Command, add_bundle, add_false_accept, add_json, answer, bullet_list, share

STATUS = {"same": 0, "different": 3, "undecided": 4}
WORDS = {"same": "the same person", "different": "different people", "undecided": "undecided: too little speech"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_false_accept(parser, "rate at which two different people count as one")
    parser.add_argument(
        "--prior", type=share, default=0.5, help="probability of the same person before listening (default: 0.5)"
    )
    parser.add_argument(
        "--exit-status", action="store_true", help="exit with 0 for the same person, 3 for different, 4 for undecided"
    )
    add_json(parser)
    add_bundle(parser)
    parser.add_argument("enrolment", nargs="+", metavar="ENROLMENT", help="recordings of one person")
    parser.add_argument("test", metavar="TEST", help="the recording in question")


def act(args: argparse.Namespace) -> int:
    """Print the verdict."""
    from ...bundles.scorer import BACKENDS
    from ..model import load_model

    model = load_model(args.bundle)
    found = model.verify(args.enrolment, args.test, args.false_accept, args.prior)
    origin = model.decision.describe(args.false_accept)
    score = BACKENDS[model.card["backend"]["backend"]]
    why_none = None
    if found.probability is None:
        why_none = "too little speech" if found.verdict == "undecided" else model.decision.no_calibration
        chance = f"none: {why_none}"
    else:
        chance = f"{100 * found.probability:.1f} % (before listening: {100 * args.prior:g} %)"
    text = (
        f"verdict      {WORDS[found.verdict]}\n"
        f"score        {found.score:.3f} ({score})\n"
        f"threshold    {found.threshold:.3f}: {origin}\n"
        f"probability  {chance}"
    )
    record = {
        **found._asdict(),
        "no_probability": why_none,
        "threshold_source": model.decision.source,
        "threshold_from": origin,
        "score_is": score,
    }
    answer({**record, "bundle": model.id}, text + bullet_list(found.remarks), args.json)
    return STATUS[found.verdict] if args.exit_status else 0


COMMAND = Command(__doc__ or "", add_options, act)
