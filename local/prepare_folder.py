#!/usr/bin/env python3
"""Use any folder of audio as a training set without labels.

    prepare_folder.py corpus CORPUS_DIR            stage 0: check that the folder has audio files
    prepare_folder.py data CORPUS_DIR OUT_DIR      stage 1: data directories

All files below CORPUS_DIR with a file ending of audio are used. Small and capital letters are the same in endings.
Names of files can have blanks and any letters. If a table cannot hold a name (it has a line end, or is not UTF-8), the
file gets a link in OUT_DIR/links. The id of an utterance is the path of its file, with -- for / and %XX for characters
that a table cannot hold.

--folders says what the sub-folder of a file means:
    nothing   it has no meaning: each file is a session of its own (default)
    session   files of one sub-folder were recorded together: on one day, in one call, with one microphone
    speaker   a sub-folder of CORPUS_DIR has the files of one speaker. This is used in the report, never in training

--labels and --held-out make an evaluation set with trials. Its files are not used in training. --labels FILE has `path
speaker [session]` lines with paths relative to CORPUS_DIR. --held-out DIR has one sub-folder per speaker.

Reads   CORPUS_DIR, FILE, DIR
Writes  OUT_DIR/train: wav.scp, utt2spk and spk2utt, in which every utterance is its own speaker; utt2sess; with
        --channels split utt2channel; with --folders speaker utt2spk.truth
        OUT_DIR/eval: the same and trials, if there are labels

Example
    local/prepare_folder.py data ~/speech data/folder/local --folders session
"""

import argparse
import hashlib
import shutil
from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.folder import LINKS, Found, evaluation_of, find_audio, read_labels, session_of, speaker_of
from dlglc.data.tables import write_data_dir, write_table
from dlglc.errors import RecipeError
from dlglc.files import write_lines
from trials import draw_trials

MEANINGS = ("nothing", "session", "speaker")
TRIALS_PER_SPEAKER = 100
FILES = 2000  # most labelled files that trials are drawn from


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("part", choices=["corpus", "data"])
    parser.add_argument("corpus_dir", type=Path)
    parser.add_argument("out_dir", type=Path, nargs="?")
    parser.add_argument(
        "--folders", choices=MEANINGS, default="nothing", help="what sub-folders are (default: nothing)"
    )
    parser.add_argument(
        "--channels", choices=["mix", "split"], default="mix", help="of files with several channels (default: mix)"
    )
    parser.add_argument("--labels", type=Path, metavar="FILE", help="`path speaker [session]` lines, for evaluation")
    parser.add_argument("--held-out", type=Path, metavar="DIR", help="one sub-folder per person, for evaluation")
    parser.add_argument("--seed", type=int, default=0, help="of the trials (default: 0)")
    args = parser.parse_args()

    if not args.corpus_dir.is_dir():
        raise RecipeError(f"{args.corpus_dir}: no such folder: give the folder of your audio files with --corpus-dir")
    found = look_around(args.corpus_dir)
    if args.part == "corpus":
        return
    if args.out_dir is None:
        raise RecipeError("data: OUT_DIR is missing: prepare_folder.py data CORPUS_DIR OUT_DIR")
    shutil.rmtree(args.out_dir / LINKS, ignore_errors=True)
    found.link_strange(args.out_dir / LINKS)
    labels = read_labels(args.labels, args.corpus_dir, found) if args.labels else {}
    if args.held_out:
        labels |= evaluation_of(args.held_out, found)
    write_train(args, found, set(labels))
    shutil.rmtree(args.out_dir / "eval", ignore_errors=True)  # it can be of a run with other labels
    if labels:
        write_eval(args.out_dir / "eval", found, labels, args.seed)
    elif args.out_dir.name == "local":  # run.sh packs LOCAL/eval to LOCAL/../eval. Now these files are trained on
        shutil.rmtree(args.out_dir.parent / "eval", ignore_errors=True)


def look_around(corpus_dir: Path) -> Found:
    """Find the audio files, and log their number."""
    found = find_audio(corpus_dir)
    for folder in found.closed:
        log.info("%s: this folder cannot be opened; its files are left out", ascii(folder)[1:-1])
    count = len(found.files) + len(found.strange)
    if not count:
        raise RecipeError(f"{corpus_dir}: no audio in it: {found.others} files have other endings ({found.endings})")
    log.info("%s: %d audio files; %d other files are ignored (%s)", corpus_dir, count, found.others, found.endings)
    return found


def write_train(args: argparse.Namespace, found: Found, held_out: set[str]) -> None:
    """Write the training set: all files that are not for evaluation, without labels."""
    out_dir = args.out_dir / "train"
    wav = {utt: path for utt, path in found.files.items() if utt not in held_out}
    if not wav:
        raise RecipeError(f"{args.corpus_dir}: every file is for evaluation: leave some files for training")
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
    """Write the labelled files and their trials.

    If sessions are known, trials_within and trials_across have the target trials within and across sessions.
    """
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
            f"{people} labelled speakers, {len(speakers)} files: trials need two speakers, and two files of one speaker"
        )
    write_lines(out_dir / "trials", lines)
    parts = {
        "within": [line for line in lines if keeps(line, sessions, True)],
        "across": [line for line in lines if keeps(line, sessions, False)],
    }
    if all({line.split()[2] for line in part} == kinds for part in parts.values()):  # else sessions are not known
        for name, part in parts.items():
            write_lines(out_dir / f"trials_{name}", part)
    log.info("%s: %d files of %d speakers, %d trials", out_dir, len(labels), people, len(lines))


def few_of_each(speakers: dict[str, str], seed: int) -> dict[str, str]:
    """Choose the utterances that trials are drawn from: about FILES of them, by a hash.

    The number of pairs of utterances, which draw_trials orders, grows with the square of their number.

    Returns:
        The speaker of each chosen utterance.
    """
    if len(speakers) <= FILES:
        return speakers
    most = max(2, FILES // len(set(speakers.values())))
    drawn: dict[str, list[str]] = {}
    for utt in sorted(speakers, key=lambda utt: hashlib.sha256(f"{seed} {utt}".encode()).digest()):
        drawn.setdefault(speakers[utt], []).append(utt)
    return {utt: speaker for speaker, utts in drawn.items() for utt in utts[:most]}


def keeps(line: str, sessions: dict[str, str], same: bool) -> bool:
    """True for nontarget trials, and for target trials within (same) or across (not same) sessions."""
    enrol, test, kind = line.split()
    return kind == "nontarget" or (sessions[enrol] == sessions[test]) == same


if __name__ == "__main__":
    console.run(main)
