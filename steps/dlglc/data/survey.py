"""A summary of a corpus: formats, changes, doubtful properties, recordings that cannot be used."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from ..errors import RecipeError
from .tables import read_table

NOTES = {
    "mixed": "channels mixed down",
    "split": "one channel taken",
    "opposite-phase": "channels cancel each other out: the louder one taken instead of the mix",
    "resampled": "resampled to 16 kHz",
    "cut": "long recordings cut into utterances",
    "scaled-down": "level lowered instead of clipping",
    "scaled-up": "very quiet: level raised",
    "above-full-scale": "samples above full scale",
    "perhaps-cut": "perhaps cut short: no end mark, an unfinished header or half a frame at the end",
    "clipped": "clipped: many samples at full scale",
    "dc-offset": "a constant offset (DC) above 2 % of full scale; it has no effect on the features",
}


class Recording(NamedTuple):
    """A line of the table `recordings`.

    Attributes:
        name: id of the recording.
        usable: True if it was packed.
        seconds, rate, channels, codec: of the file; 0 or "-" if unknown.
        notes: changes and doubtful properties, keys of NOTES.
        reason: why it cannot be used.
    """

    name: str
    usable: bool
    seconds: float
    rate: int
    channels: int
    codec: str
    notes: list[str]
    reason: str


def read_recordings(path: Path) -> list[Recording]:
    """Read the table `recordings` from steps/pack_audio.py.

    Raises:
        RecipeError: the file is missing or empty, or a line has another form.
    """
    found = []
    for number, (name, text) in enumerate(read_table(path).items(), 1):
        try:
            status, seconds, rate, channels, codec, rest = text.split(" ", 5)
            usable = {"usable": True, "unusable": False}[status]
            notes = [] if rest == "-" or not usable else rest.split(",")
            record = Recording(name, usable, float(seconds), int(rate), int(channels), codec, notes, rest)
        except (ValueError, KeyError):
            raise RecipeError(f"{path}:{number}: expected 'id usable|unusable seconds rate channels codec …'") from None
        found.append(record)
    return found


def describe_recordings(recordings: list[Recording]) -> list[str]:
    """Lines for the log: amount of audio, formats, changes, reasons why recordings cannot be used."""
    good = [r for r in recordings if r.usable]
    hours = sum(r.seconds for r in good) / 3600
    lines = [f"{len(good)} of {len(recordings)} recordings can be used, {hours:.2f} hours"]
    for title, values in (
        ("formats", Counter(r.codec for r in good)),
        ("sample rates", Counter(f"{r.rate} Hz" for r in good if r.rate)),
        ("channels", Counter(str(r.channels) for r in good if r.channels)),
    ):
        if values:
            lines.append(f"  {title}: " + ", ".join(f"{name} {count}" for name, count in values.most_common()))
    notes = Counter(note for r in good for note in r.notes)
    lines += [f"  {count} {NOTES.get(note, note)}" for note, count in notes.most_common()]
    reasons = Counter(kind_of(r.reason) for r in recordings if not r.usable)
    lines += [f"  {count} cannot be used: {reason}" for reason, count in reasons.most_common()]
    return lines


def kind_of(reason: str) -> str:
    """A reason without its numbers, so that recordings with the same reason are counted together."""
    head = reason.split(":")[0].split("(")[0].strip()
    if head.startswith("cut short"):
        return "cut short"
    if head.endswith("are NaN or infinite"):
        return "samples that are NaN or infinite"
    if ", under " in head:
        return "too short"
    if head.startswith("no speech was found"):
        return "no speech was found"
    return head
