"""Group recordings by voice; or say who speaks when in one long recording.

With a folder, a table (wav.scp) or several files: each recording is taken for one voice. The number of voices is found
by the command itself, or given by --voices. Recordings that the grouping is unsure of are named.

With one file: who speaks when, as RTTM. Where two people speak at once, one of them is named.

Example
    dlg-lc who-is-who bundle.dlglc ~/speech
    dlg-lc who-is-who bundle.dlglc meeting.mp3 --out meeting.rttm
"""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from .common import Command, add_bundle, add_json, answer, bullet_list, find_recordings, hear_all, share

if TYPE_CHECKING:
    from ..model import Model

STRICT = 0.01  # rate of the first pass, see front.grouping.group_voices


def number(text: str) -> int:
    """A number of voices, 1 or more."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}': expected a number of voices, 1 or more")
    return int(text)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--false-accept", type=share, default=0.05, metavar="RATE",
        help="of the threshold by which recordings are unsure; without PLDA, a higher one finds fewer voices "
        "(default: 0.05)",
    )  # fmt: skip
    parser.add_argument("--voices", type=number, help="the number of voices, if you know it")
    parser.add_argument("--out", type=Path, help="write the groups (`id voice` lines) or the RTTM to this file")
    add_json(parser)
    add_bundle(parser)
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="a folder, wav.scp, audio files; or one recording")


def act(args: argparse.Namespace) -> int:
    """Group recordings, or find turns."""
    from ..model import load_model

    model = load_model(args.bundle)
    single = len(args.inputs) == 1 and not os.path.isdir(args.inputs[0]) and not args.inputs[0].endswith(".scp")
    return turns(args, model) if single else groups(args, model)


def turns(args: argparse.Namespace, model: "Model") -> int:
    """Who speaks when in one recording."""
    from ...console import log
    from ...files import write_lines
    from ..turns import find_turns, rttm

    recording = model.listener.open(args.inputs[0])
    for remark in recording.remarks:  # to standard error: RTTM goes to standard output
        log.warning("%s: %s", recording.name, remark)
    found = find_turns(model, recording.samples, args.false_accept, args.voices)
    lines = rttm(recording.name, found)
    if args.out:
        write_lines(args.out, lines)
    seconds: dict[str, float] = {}
    for turn in found:
        name = f"voice{turn.voice + 1}"
        seconds[name] = round(seconds.get(name, 0.0) + turn.end - turn.start, 2)
    said = [f"{name}: {time:.1f} s" for name, time in seconds.items()]
    record = {"voices": len(seconds), "seconds": seconds, "rttm": lines, "remarks": recording.remarks}
    text = f"{len(seconds)} voices in {args.inputs[0]}" + bullet_list(said)
    answer(record, text if args.out else "\n".join(lines), args.json)
    return 0


def groups(args: argparse.Namespace, model: "Model") -> int:
    """Recordings in groups by voice."""
    import numpy as np

    from ...files import write_lines
    from ..grouping import group_voices
    from ..model import NO_SPEECH

    heard = dict(hear_all(model, find_recordings(args.inputs)))
    silent = sorted(name for name, one in heard.items() if one.speech < NO_SPEECH)
    names = [name for name in heard if name not in set(silent)]
    members: dict[str, list[str]] = {}
    unsure: list[str] = []
    centred = False
    if names:
        embeddings = np.stack([heard[name].embedding for name in names])
        rate = max(min(STRICT, args.false_accept), float(model.decision.rates[0]))
        strict, loose = model.decision.threshold(rate), model.decision.threshold(args.false_accept)
        found = group_voices(model.scorer, embeddings, strict, loose, args.voices)
        for name, voice, margin in zip(names, found.voices.tolist(), found.margins.tolist()):
            members.setdefault(f"voice{voice + 1}", []).append(name)
            if margin < 0:
                unsure.append(name)
        centred = found.centred
    members = dict(sorted(members.items(), key=lambda item: int(item[0].removeprefix("voice"))))
    if args.out:
        write_lines(args.out, sorted(f"{name} {voice}" for voice, some in members.items() for name in some))
    parts = [f"{voice}  {len(some)} recordings\n  " + "\n  ".join(some) for voice, some in members.items()]
    parts.append(f"{len(members)} voices in {len(names)} recordings")
    if unsure:
        parts.append("unsure, as nearer to another voice or far from its own:" + bullet_list(unsure))
    if silent:
        parts.append("without speech:" + bullet_list(silent))
    record = {"voices": len(members), "groups": members, "unsure": unsure, "without_speech": silent, "centred": centred}
    answer(record, "\n".join(parts), args.json)
    return 0


COMMAND = Command(__doc__ or "", add_options, act)
