"""All recordings of a data directory in one ark of 16 kHz mono 16-bit WAVs (steps/pack_audio.py).

A journal has a line for each recording that is done: an interrupted run goes on after the last whole one.
"""

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ..console import log, progress
from ..errors import RecipeError
from ..files import write_lines
from ..provenance import Stamp
from .audio import ARK, Recordings, float_to_int16, packed_header
from .cutting import RATE, Cutter
from .decode import COPY
from .intake import Intake, Taken, gain_for
from .readers import BLOCK
from .tables import place_of
from .wholeness import check_whole

HOPELESS = 100  # the first so many recordings all not there: a disk that is not mounted, a program that is missing
NOT_THERE = ("no such file", "a link that leads nowhere", "it cannot be opened", "the command failed")
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Entry = dict[str, Any]  # a line of the journal


TABLES = ("wav.scp", "utt2num_samples", "utt2dur", "utt2reco", "utt2segment", "recordings")  # that write_tables writes


class PackOptions(NamedTuple):
    """How recordings are packed.

    Attributes:
        sample_rate: Hz, of the ark.
        min_seconds: shorter recordings cannot be used.
        cut_above: seconds; longer recordings are cut into utterances. 0 = none is.
        allow_pipes: run `command |` entries of wav.scp.
    """

    sample_rate: int = 16000
    min_seconds: float = 0.2
    cut_above: float = 0.0
    allow_pipes: bool = False


class Packer:
    """Packs recordings.

    Args:
        recordings: whose ids and places are read; audio of any format.
        channels: channel (from 0) of an id, where it is not to be mixed down.
        out_dir: where ark and journal go.
        options: how.

    Raises:
        RecipeError: options that do not go together.
    """

    def __init__(self, recordings: Recordings, channels: dict[str, int], out_dir: Path, options: PackOptions):
        if options.cut_above and options.sample_rate != RATE:
            raise RecipeError(f"--cut-above works at {RATE} Hz only, not at {options.sample_rate}: leave one out")
        self.recordings, self.channels, self.options = recordings, channels, options
        self.ark, self.journal = out_dir / "wav.ark", out_dir / "packing.jsonl"
        for path in out_dir.glob(f"{COPY}*"):
            path.unlink()
        self.intake = Intake(options.sample_rate, out_dir, options.allow_pipes)
        self.cutter: Cutter | None = None

    def pack(self, unfinished: Stamp) -> list[Entry]:
        """Write the ark, or what is missing of it.

        Args:
            unfinished: of a run under way; another one's leftovers are discarded.

        Returns:
            an entry for each recording, in their order.

        Raises:
            RecipeError: not one of the first recordings is there, or the disk is full.
        """
        if not (unfinished.matches() and self.ark.exists() and self.journal.exists()):
            self.ark.write_bytes(b"")
            self.journal.write_bytes(b"")
            unfinished.write()
        entries = self.done_before()
        if entries:
            log.info("%s: going on after %d recordings", self.ark, len(entries))
        first, total = len(entries), len(self.recordings)
        with open(self.ark, "ab") as ark, open(self.journal, "a", encoding="utf-8") as journal:

            def note(entry: Entry) -> None:
                ark.flush()
                journal.write(json.dumps(entry, ensure_ascii=False) + "\n")
                journal.flush()

            for i in [i for i, entry in enumerate(entries) if entry["reason"]]:  # somebody may have mended them
                again = self.take(i, ark)
                if not again["reason"]:
                    entries[i] = again
                    note(again)
            for i in progress(range(first, total), total - first, "recordings"):
                entries.append(self.take(i, ark))
                note(entries[-1])
                if len(entries) == HOPELESS:
                    self.check_hopeless(entries)
            os.fsync(ark.fileno())
        self.check_hopeless(entries[:HOPELESS])
        return entries

    def check_hopeless(self, entries: list[Entry]) -> None:
        """Raises: RecipeError: not one of many recordings can even be opened."""
        if len(entries) >= HOPELESS and all(entry["reason"].startswith(NOT_THERE) for entry in entries):
            raise RecipeError(complaint(self.recordings, entries))

    def take(self, i: int, ark: BinaryIO) -> Entry:
        """Append a recording, or its utterances, to the ark."""
        name, where = self.recordings.ids[i], self.recordings.where[i]
        entry: Entry = {"id": name, "reason": "", "utts": [], "seconds": 0.0, "codec": "-", "rate": 0, "channels": 0}
        entry["notes"] = []
        try:
            taken = self.intake.take(where, self.channels.get(name))
            self.write(entry, taken, ark)
        except (ValueError, OSError) as error:
            if isinstance(error, OSError) and error.errno in DISK_FULL:
                raise RecipeError(f"{self.ark}: {error.strerror}: make room and run again, it goes on there") from error
            entry |= {"reason": " ".join(str(error).split()) or type(error).__name__, "utts": []}
        entry["end"] = ark.tell()
        return entry

    def write(self, entry: Entry, taken: Taken, ark: BinaryIO) -> None:
        """Append the samples, and complete the entry.

        Raises:
            ValueError: the recording is too short, too long, or nobody speaks in it.
        """
        rate = self.options.sample_rate
        seconds = len(taken.samples) / rate
        entry |= {"seconds": round(seconds, 4), "codec": taken.format.codec, "rate": taken.format.rate}
        entry["channels"] = taken.format.channels
        notes = set(taken.notes)
        if seconds < self.options.min_seconds:
            raise ValueError(f"{seconds:.2f} s, under {self.options.min_seconds} s")
        pieces = [(0, len(taken.samples))]
        if 0 < self.options.cut_above < seconds:
            self.cutter = self.cutter or Cutter()
            pieces = self.cutter.cut(taken.samples)
            notes.add("cut")
            if not pieces:
                raise ValueError(f"no speech was found in {seconds:.0f} s")
        for start, end in pieces:
            utt = entry["id"]
            if "cut" in notes:
                utt += f"-{100 * start // rate:07d}-{100 * end // rate:07d}"
            header = packed_header(end - start, rate)
            gain, note = gain_for(taken.samples, taken.exact, start, end)
            notes |= {note} if note else set()
            ark.write(f"{utt} ".encode())
            entry["utts"].append([utt, ark.tell(), end - start, start, end])
            ark.write(header)
            for at in range(start, end, BLOCK):  # memory does not grow with the length
                block = taken.samples[at : min(at + BLOCK, end)]
                ark.write(float_to_int16(block * np.float32(gain)).tobytes())
        entry["notes"] = sorted(notes)

    def done_before(self) -> list[Entry]:
        """What an interrupted run wrote whole; what follows it in ark and journal is cut off."""
        entries: list[Entry] = []
        row: dict[str, int] = {}
        size, length, end = self.ark.stat().st_size, 0, 0
        for line in self.journal.read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            try:
                entry = json.loads(line)
                good = {"id", "reason", "utts", "seconds", "notes"} <= entry.keys() and end <= entry["end"] <= size
            except (ValueError, TypeError, AttributeError, KeyError):
                good = False
            if not good:
                break
            if entry["id"] in row:  # it could not be used at first
                entries[row[entry["id"]]] = entry
            elif len(entries) < len(self.recordings) and entry["id"] == self.recordings.ids[len(entries)]:
                row[entry["id"]] = len(entries)
                entries.append(entry)
            else:
                break
            length, end = length + len(line), entry["end"]
        os.truncate(self.ark, end)
        os.truncate(self.journal, length)
        return entries


def check_in_place(recordings: Recordings, min_seconds: float) -> list[Entry]:
    """Headers only, for audio that stays where it is: mono of the recipe's rate, long enough, not cut short."""
    entries = []
    for i in progress(range(len(recordings)), len(recordings), "recordings"):
        entry: Entry = {"id": recordings.ids[i], "reason": "", "utts": [], "seconds": 0.0, "codec": "-", "channels": 1}
        entry |= {"rate": recordings.sample_rate, "notes": []}
        try:
            count = recordings.probe(i)
            if not ARK.match(recordings.where[i]):
                check_whole(recordings.where[i])
            entry["seconds"] = count / recordings.sample_rate
            if entry["seconds"] < min_seconds:
                raise RecipeError(f"{entry['seconds']:.2f} s, under {min_seconds} s")
            entry["utts"] = [[entry["id"], recordings.where[i], count, 0, count]]
        except (RecipeError, ValueError) as error:
            entry["reason"] = str(error).split(f"{entry['id']}: ", 1)[-1]
        entries.append(entry)
        if len(entries) == HOPELESS and all(e["reason"] for e in entries):
            raise RecipeError(complaint(recordings, entries))
    return entries


def write_tables(entries: list[Entry], out_dir: Path, sample_rate: int, ark: Path | None) -> None:
    """wav.scp, utt2num_samples, utt2dur, utt2reco, recordings, and utt2segment of the cut ones.

    Args:
        ark: whose offsets the entries have; None = they have places.
    """
    utts = sorted(((entry["id"], *utt) for entry in entries for utt in entry["utts"]), key=lambda utt: utt[1])
    write_lines(out_dir / "utt2num_samples", (f"{utt} {count}" for _, utt, _, count, _, _ in utts))
    write_lines(out_dir / "utt2dur", (f"{utt} {count / sample_rate:.4f}" for _, utt, _, count, _, _ in utts))
    write_lines(out_dir / "utt2reco", (f"{utt} {reco}" for reco, utt, *_ in utts))
    cut = [utt for utt in utts if utt[0] != utt[1]]
    lines = (f"{utt} {reco} {start / sample_rate:.3f} {end / sample_rate:.3f}" for reco, utt, _, _, start, end in cut)
    write_lines(out_dir / "utt2segment", lines)
    write_lines(out_dir / "recordings", map(describe, entries))
    places = (f"{utt} {f'{ark}:{where}' if ark else where}" for _, utt, where, *_ in utts)
    write_lines(out_dir / "wav.scp", places)


def describe(entry: Entry) -> str:
    """The recording's line: `id usable|unusable seconds rate channels codec notes…`, or the reason for notes."""
    status, words = ("unusable", entry["reason"]) if entry["reason"] else ("usable", ",".join(entry["notes"]) or "-")
    return f"{entry['id']} {status} {entry['seconds']:.2f} {entry['rate']} {entry['channels']} {entry['codec']} {words}"


def complaint(recordings: Recordings, entries: Sequence[Entry]) -> str:
    """All recordings that cannot be used, the first twenty by name."""
    bad = [(i, entry) for i, entry in enumerate(entries) if entry["reason"]]
    lines = [
        f"{place_of(recordings.scp, i, entry['id'])}: {entry['id']}: {entry['reason']} ({recordings.where[i]})"
        for i, entry in bad[:20]
    ]
    more = [f"… and {len(bad) - 20} more"] if len(bad) > 20 else []
    shown = "\n  ".join([*lines, *more])
    return (
        f"{len(bad)} of {len(entries)} recordings cannot be used:\n  {shown}\n  Mend them, or go on without them: "
        "--keep-going here, --max-unusable 0.05 (a share) of run.sh"
    )
