"""Say who of the enrolled people speaks, or that nobody of them does.

PEOPLE is one file (NAME.npz) that holds the enrolled people. It can be used with the bundle that made it only.
  enrol   adds people, or recordings of people: one sub-folder of FOLDER for each person, or --name NAME FILES
  remove  takes people out
  list    shows them
  search  says who speaks in each recording. A recording is of somebody unknown if its best score is below a threshold

Example
    dlg-lc identify enrol bundle.dlglc people.npz ~/staff
    dlg-lc identify search bundle.dlglc people.npz visitor.wav
    dlg-lc identify remove bundle.dlglc people.npz anna
"""

import argparse
from pathlib import Path
from typing import Any

from ...errors import RecipeError
from .common import Command, add_bundle, add_false_accept, add_json, answer, bullet_list, find_recordings, hear_all


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    for name, (text, _) in PARTS.items():
        part = parts.add_parser(name, help=text, description=text)
        if name == "search":
            add_false_accept(part, "rate at which strangers are taken for somebody")
            part.add_argument("--top", type=int, default=3, help="candidates to show (default: 3)")
        if name == "enrol":
            part.add_argument("--name", help="the person of all INPUTs; without it, sub-folders are people")
        add_json(part)
        add_bundle(part)
        part.add_argument("people", type=Path, metavar="PEOPLE", help="the file of enrolled people")
        if name in ("enrol", "search"):
            part.add_argument("inputs", nargs="+", metavar="INPUT", help="audio files, folders, wav.scp")
        if name == "remove":
            part.add_argument("names", nargs="+", metavar="NAME")


def act(args: argparse.Namespace) -> int:
    """Do a part."""
    status: int = PARTS[args.part][1](args)
    return status


def enrol(args: argparse.Namespace) -> int:
    """Add people."""
    import numpy as np

    from ...data.folder import speaker_of
    from ...locks import only_process
    from ..model import NO_SPEECH, load_model
    from ..people import People

    model = load_model(args.bundle)
    recordings = find_recordings(args.inputs)
    person = {name: args.name or speaker_of(name, "enrol without --name") for name in recordings}
    heard = {name: one for name, one in hear_all(model, recordings, True) if one.speech >= NO_SPEECH}
    silent = len(recordings) - len(heard)
    if not heard:
        raise RecipeError("no recording with speech: nobody is enrolled")
    vectors = model.scorer.represent(np.stack([one.embedding for one in heard.values()]))
    with only_process(args.people.parent, wait=True):  # another command may enrol people in the same file
        before = People.read(args.people, model.id) if args.people.exists() else None
        before = before or People.none(model.id, vectors.shape[1])
        people = before.added([person[name] for name in heard], vectors)
        people.write(args.people)
    names = sorted({person[name] for name in heard})
    record = {"enrolled": names, "recordings": len(heard), "left_out": silent, "people": len(people)}
    text = (
        f"{args.people}: {len(heard)} recordings of {len(names)} people added, {silent} left out; {len(people)} people"
    )
    answer(record, text, args.json)
    return 0


def remove(args: argparse.Namespace) -> int:
    """Take people out."""
    from ...bundles.container import read_bundle
    from ...locks import only_process
    from ..people import People

    bundle = read_bundle(args.bundle).id
    with only_process(args.people.parent, wait=True):
        people = People.read(args.people, bundle).without(args.names)
        people.write(args.people)
    answer({"removed": args.names, "people": len(people)}, f"{args.people}: {len(people)} people", args.json)
    return 0


def show(args: argparse.Namespace) -> int:
    """Show who is enrolled."""
    from ...bundles.container import read_bundle
    from ..people import People

    people = People.read(args.people, read_bundle(args.bundle).id)
    counts = dict(zip(people.names.tolist(), people.counts.tolist()))
    text = "\n".join(f"{name}  {count} recordings" for name, count in counts.items())
    answer({"people": counts}, text or "nobody is enrolled", args.json)
    return 0


def search(args: argparse.Namespace) -> int:
    """Say who speaks."""

    from ..model import NO_SPEECH, load_model
    from ..people import People, threshold_of_search

    model = load_model(args.bundle)
    people = People.read(args.people, model.id)
    if not len(people):
        raise RecipeError(f"{args.people}: nobody is enrolled: `dlg-lc identify enrol` first")
    threshold, unsure = threshold_of_search(model.decision, args.false_accept, len(people))
    answers: list[dict[str, Any]] = []
    for name, one in hear_all(model, find_recordings(args.inputs), True):
        rows, scores = people.search(model.scorer, model.scorer.represent(one.embedding[None]), max(1, args.top))
        candidates = [(str(people.names[row]), float(score)) for row, score in zip(rows[0], scores[0])]
        verdict = "known" if candidates[0][1] >= threshold else "unknown"
        verdict = "undecided" if one.speech < NO_SPEECH else verdict
        person = candidates[0][0] if verdict == "known" else None
        answers.append({"recording": name, "verdict": verdict, "person": person, "candidates": candidates,
                        "remarks": one.remarks})  # fmt: skip
    remarks = []
    if unsure:
        remarks.append(
            f"{len(people)} people are too many for the {model.decision.different:,} pairs that thresholds come from: "
            f"more than {100 * args.false_accept:g} % of strangers will be taken for somebody"
        )
    lines = [
        f"{one['recording']}  {one['person'] or one['verdict']}  ("
        + ", ".join(f"{name} {score:.2f}" for name, score in one["candidates"])
        + ")"
        + "".join(f"; {remark}" for remark in one["remarks"])
        for one in answers
    ]
    lines.append(
        f"threshold {threshold:.2f}: {100 * args.false_accept:g} % of strangers count as one of {len(people)} people"
    )
    record = {"answers": answers, "threshold": threshold, "people": len(people), "remarks": remarks}
    answer(record, "\n".join(lines) + bullet_list(remarks), args.json)
    return 0


PARTS = {
    "enrol": ("add people, or recordings of people", enrol),
    "remove": ("take people out", remove),
    "list": ("show who is enrolled", show),
    "search": ("say who speaks in recordings", search),
}
COMMAND = Command(__doc__ or "", add_options, act)
