#!/usr/bin/env python3
"""Any folder of audio as a training set, without labels.

    prepare_folder.py corpus CORPUS_DIR            stage 0: is there audio in it?
    prepare_folder.py data CORPUS_DIR OUT_DIR      stage 1: data directories

All files below CORPUS_DIR with an ending of audio are taken, in any letter case; names may have blanks and any letters.
A file whose name no table can hold (a line end in it, another encoding than UTF-8) gets a link in OUT_DIR/links.
An utterance id is the file's path, with -- for /, and % with two digits for what a table cannot hold: it depends on
nothing else and can be read back.

--folders says what the lowest sub-folder of a file means:
    nothing   each file is a session of its own (the default)
    session   files of one sub-folder were recorded together: one day, one call, one microphone
    speaker   the sub-folder right below CORPUS_DIR is one person. It never reaches training; it serves the report

--labels FILE, `path speaker [session]` lines with paths relative to CORPUS_DIR, or --held-out DIR, a folder with one
sub-folder for each person, make an evaluation set and its trials. These files are not trained on.

Reads   CORPUS_DIR; FILE; DIR
Writes  OUT_DIR/train: wav.scp, utt2spk and spk2utt with speaker = utterance, utt2sess, utt2channel with --channels
        split, utt2spk.truth with --folders speaker; OUT_DIR/eval and its trials where there are labels

Example
    local/prepare_folder.py data ~/speech data/folder/local --folders session
"""

import argparse
import hashlib
import shutil
from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.folder import Found, evaluation_of, find_audio, read_labels, session_of, speaker_of
from dlglc.data.tables import write_data_dir, write_table
from dlglc.errors import RecipeError
from dlglc.files import write_lines
from trials import draw_trials

MEANINGS = ("nothing", "session", "speaker")
TRIALS_PER_SPEAKER = 100
FILES = 2000  # labelled files that trials are drawn from


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("part", choices=["corpus", "data"])
    parser.add_argument("corpus_dir", type=Path)
    parser.add_argument("out_dir", type=Path, nargs="?")
    parser.add_argument("--folders", choices=MEANINGS, default="nothing", help="what a sub-folder means")
    parser.add_argument("--channels", choices=["mix", "split"], default="mix", help="of files with several")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="`path speaker [session]` lines, for evaluation")
    parser.add_argument("--held-out", type=Path, metavar="DIR", help="one sub-folder per person, for evaluation")
    parser.add_argument("--seed", type=int, default=0, help="of the trials that are drawn (default: 0)")
    args = parser.parse_args()

    if not args.corpus_dir.is_dir():
        raise RecipeError(f"{args.corpus_dir}: no such folder: name the folder that holds your audio with --corpus-dir")
    found = look_around(args.corpus_dir)
    if args.part == "corpus":
        return
    if args.out_dir is None:
        raise RecipeError("data: OUT_DIR is missing: prepare_folder.py data CORPUS_DIR OUT_DIR")
    shutil.rmtree(args.out_dir / "links", ignore_errors=True)
    found.link_strange(args.out_dir / "links")
    labels = read_labels(args.labels, args.corpus_dir, found) if args.labels else {}
    if args.held_out:
        labels |= evaluation_of(args.held_out, found)
    write_train(args, found, set(labels))
    shutil.rmtree(args.out_dir / "eval", ignore_errors=True)  # of a run with other labels
    if labels:
        write_eval(args.out_dir / "eval", found, labels, args.seed)


def look_around(corpus_dir: Path) -> Found:
    """Find the audio, and say what there is."""
    found = find_audio(corpus_dir)
    for folder in found.closed:
        log.info("%s: this folder cannot be opened; what is in it is left out", ascii(folder)[1:-1])
    count = len(found.files) + len(found.strange)
    if not count:
        raise RecipeError(f"{corpus_dir}: no audio in it: {found.others} files with other endings ({found.endings})")
    log.info("%s: %d audio files; %d others are left alone (%s)", corpus_dir, count, found.others, found.endings)
    return found


def write_train(args: argparse.Namespace, found: Found, held_out: set[str]) -> None:
    """All that is not held out, without labels."""
    out_dir = args.out_dir / "train"
    wav = {utt: path for utt, path in found.files.items() if utt not in held_out}
    if not wav:
        raise RecipeError(f"{args.corpus_dir}: every file is held out for evaluation: nothing is left to train on")
    origin = {utt: utt for utt in wav}
    channels: dict[str, int] = {}
    if args.channels == "split":
        origin, channels = found.split_channels(wav)
    tables = {}
    if args.folders == "session":
        tables["utt2sess"] = {utt: session_of(name) for utt, name in origin.items()}
    elif args.channels == "split":
        tables["utt2sess"] = origin
    if args.folders == "speaker":
        tables["utt2spk.truth"] = {utt: speaker_of(name) for utt, name in origin.items()}
    write_data_dir(out_dir, {utt: wav[name] for utt, name in origin.items()}, {utt: utt for utt in origin}, **tables)
    for name in ("utt2sess", "utt2spk.truth"):
        if name not in tables:
            (out_dir / name).unlink(missing_ok=True)
    (out_dir / "utt2channel").unlink(missing_ok=True)
    if channels:
        write_table(out_dir / "utt2channel", channels)


def write_eval(out_dir: Path, found: Found, labels: dict[str, tuple[str, str]], seed: int) -> None:
    """The labelled files, and trials: all of them, and those within and across sessions where sessions are known."""
    speakers = {utt: speaker for utt, (speaker, _) in labels.items()}
    sessions = {utt: session for utt, (_, session) in labels.items()}
    write_data_dir(
        out_dir,
        {utt: found.files[utt] for utt in labels},
        {utt: utt for utt in labels},
        **{"utt2spk.truth": speakers, "utt2sess": sessions},
    )
    people = len(set(speakers.values()))
    tried = few_of_each(speakers, seed)
    lines = draw_trials(tried, dict.fromkeys(speakers.values(), "any"), TRIALS_PER_SPEAKER, seed)
    kinds = {line.split()[2] for line in lines}
    if kinds != {"target", "nontarget"}:
        raise RecipeError(
            f"{people} labelled speakers, {len(speakers)} files: trials need two speakers, and two files of one of them"
        )
    write_lines(out_dir / "trials", lines)
    if len(set(sessions.values())) < len(sessions) and len(set(sessions.values())) > people:
        for name, same in (("within", True), ("across", False)):
            part = [line for line in lines if keeps(line, sessions, same)]
            if {line.split()[2] for line in part} == kinds:
                write_lines(out_dir / f"trials_{name}", part)
    log.info("%s: %d files of %d speakers, %d trials", out_dir, len(labels), people, len(lines))


def few_of_each(speakers: dict[str, str], seed: int) -> dict[str, str]:
    """Speaker of the utterances that trials are drawn from: all, or FILES, chosen by a hash, where there are more.

    All pairs are looked at when trials are drawn, and these grow with the square.
    """
    if len(speakers) <= FILES:
        return speakers
    most = max(2, FILES // len(set(speakers.values())))
    drawn: dict[str, list[str]] = {}
    for utt in sorted(speakers, key=lambda utt: hashlib.sha256(f"{seed} {utt}".encode()).digest()):
        drawn.setdefault(speakers[utt], []).append(utt)
    return {utt: speaker for speaker, utts in drawn.items() for utt in utts[:most]}


def keeps(line: str, sessions: dict[str, str], same: bool) -> bool:
    """Nontarget trials, and target trials within or across sessions."""
    enrol, test, kind = line.split()
    return kind == "nontarget" or (sessions[enrol] == sessions[test]) == same


if __name__ == "__main__":
    console.run(main)
