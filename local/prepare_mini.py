#!/usr/bin/env python3
"""Make the mini corpus, and its data directories.

mini is synthetic: about 100 voices of the formant synthesiser espeak-ng, made from a seed. It is for learning the
recipe and for testing it in minutes. Only real speech tells how good a system is (speechocean762, VoxCeleb). Cosine
scoring of MFCC means and deviations (local/mfcc_baseline.py), which learns nothing, has an EER of about 20 % on mini.

  corpus  makes the audio (stage 0)
          Writes  CORPUS_DIR/{train,eval}/SPEAKER/UTTERANCE.wav, 16 kHz mono int16, 2 to 6 s
                  CORPUS_DIR/voices/SPEAKER, the voice file of each speaker
                  CORPUS_DIR/spk2gender
                  CORPUS_DIR/corpus.json, the record of the settings, when everything is finished
  data    makes the data directories (stage 1)
          Reads   CORPUS_DIR from `corpus`
          Writes  OUT_DIR/{train,eval}/{wav.scp,utt2spk,spk2utt,utt2dur,utt2spk.truth}, OUT_DIR/eval/trials
                  OUT_DIR/mini.json, the record of the settings, when everything is finished

A finished output with the same settings is reused. Any other output is made again. Every run with the same seed gives
the same bytes on one machine, with any number of processes.

A speaker is a drawn voice: accent, length of the vocal tract, offsets, heights and widths of the formants, pitch and
its range, tilt of the voice source, breath, roughness, flutter, strength of consonants, speed, stress. An utterance is
a drawn sentence with a little prosody, in a drawn session: microphone, a telephone band for some, a small room, noise,
a level. Training and evaluation set have different speakers.

No label is used in training. In both sets every utterance is its own speaker (utt2spk), and the true speakers are in
utt2spk.truth only. eval/trials has for each evaluation speaker 80 target trials, 80 nontarget trials with speakers of
the same gender, and 80 with speakers of the other gender; fewer if there are not enough pairs. local/trials.py says
how trials are drawn.

Example
    local/prepare_mini.py corpus data/mini/corpus --seed 0
    local/prepare_mini.py data data/mini/corpus data/mini/local
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from scipy import signal

import rebuild
from acoustics import RATE, write_wav
from dlglc import console
from dlglc.console import log
from dlglc.data.tables import write_table, write_unlabelled
from dlglc.errors import RecipeError
from dlglc.files import write_lines, write_text
from dlglc.provenance import Stamp, cores
from espeak import Espeak, version
from processes import run_in_processes
from sentences import sentence
from trials import draw_trials
from voices import draw_voice, record

RECIPE = 1  # raise this number when the drawing changes: then a corpus of an older version is made again
SETS = {"train": 0, "eval": 1}
SHORTEST, LONGEST = 2.0, 6.0  # seconds
TRIALS_PER_SPEAKER = 80


def main() -> None:
    parser = console.parser(__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="corpus|data")
    corpus = commands.add_parser("corpus", help="make the audio")
    corpus.add_argument("corpus_dir", metavar="CORPUS_DIR", type=Path)
    corpus.add_argument("--seed", type=int, default=0, help="of everything that is drawn (default: 0)")
    corpus.add_argument("--speakers", type=int, default=80, help="training speakers (default: 80)")
    corpus.add_argument("--utterances", type=int, default=18, help="utterances of each training speaker (default: 18)")
    corpus.add_argument("--eval-speakers", type=int, default=24, help="evaluation speakers (default: 24)")
    corpus.add_argument(
        "--eval-utterances", type=int, default=15, help="utterances of each evaluation speaker (default: 15)"
    )
    corpus.add_argument(
        "--nj", type=int, default=None, help="processes, which do not change the output (default: one per core)"
    )
    data = commands.add_parser("data", help="write the data directories")
    data.add_argument("corpus_dir", metavar="CORPUS_DIR", type=Path)
    data.add_argument("out_dir", metavar="OUT_DIR", type=Path)
    args = parser.parse_args()
    if args.command == "corpus":
        make_corpus(args)
    else:
        make_data(args.corpus_dir, args.out_dir)


def make_corpus(args: argparse.Namespace) -> None:
    """Stage 0: draw the voices and speak all utterances."""
    check_numbers(args)
    settings = {
        "recipe": RECIPE,
        "seed": args.seed,
        "train": [args.speakers, args.utterances],
        "eval": [args.eval_speakers, args.eval_utterances],
        "espeak-ng": version(),
    }
    folder = args.corpus_dir.absolute()
    stamp = Stamp(folder / "corpus.json", settings, [])
    if stamp.matches() and all(wav.exists() for *_, wav in utterances(folder, settings)):
        log.info("%s: finished before with these settings, reused", folder)
        return
    voices = folder / "voices"
    rebuild.begin(stamp, [folder / name for name in SETS] + [voices])
    voices.mkdir()
    jobs, genders = [], {}
    for speaker, (name, index, count) in speakers(settings).items():
        rng = np.random.default_rng([args.seed, SETS[name], index])
        genders[speaker] = "f" if index % 2 else "m"
        write_text(voices / speaker, draw_voice(rng, speaker, genders[speaker] == "f"))
        jobs.append((folder, name, speaker, index, count, args.seed))
    # Each speaker has a new process: espeak-ng has counters that start from the same values in a new process only.
    for _ in console.progress(run_in_processes(speak, jobs, args.nj), len(jobs), "speakers"):
        pass
    (voices / "espeak-ng-data").unlink(missing_ok=True)  # Espeak's link to the installed package
    write_table(folder / "spk2gender", genders)
    rebuild.finish(stamp)
    seconds = sum(soundfile.info(path).duration for *_, path in utterances(folder, settings))
    log.info("%s: %d speakers, %.2f hours", folder, len(jobs), seconds / 3600)


def check_numbers(args: argparse.Namespace) -> None:
    """Check the options of `corpus`, and set the default of --nj.

    Raises:
        RecipeError: a number is too small or too large.
    """
    for name, least in (("speakers", 1), ("utterances", 1), ("eval_speakers", 2), ("eval_utterances", 2), ("seed", 0)):
        if getattr(args, name) < least:
            raise RecipeError(f"--{name.replace('_', '-')} {getattr(args, name)}: must be {least} or more")
    if args.speakers + args.eval_speakers > 999 or max(args.utterances, args.eval_utterances) > 999:
        raise RecipeError("ids have three digits: at most 999 speakers, and 999 utterances of each")
    if args.nj is None:
        args.nj = cores()
    if args.nj < 1:
        raise RecipeError(f"--nj {args.nj}: must be 1 or more")


def speakers(settings: dict[str, Any]) -> dict[str, tuple[str, int, int]]:
    """Speaker id → set, number of the speaker in the set (from 0), number of utterances."""
    table: dict[str, tuple[str, int, int]] = {}
    for name in SETS:
        number, count = settings[name]
        table.update({f"m{len(table) + i + 1:03d}": (name, i, count) for i in range(number)})
    return table


def utterances(folder: Path, settings: dict[str, Any]) -> Iterator[tuple[str, str, str, Path]]:
    """Yield set, speaker, id and WAV path of every utterance of a corpus."""
    for speaker, (name, _, count) in speakers(settings).items():
        for u in range(count):
            utt = f"{speaker}-u{u + 1:03d}"
            yield name, speaker, utt, folder / name / speaker / f"{utt}.wav"


def speak(folder: Path, name: str, speaker: str, index: int, count: int, seed: int) -> None:
    """Make all utterances of one speaker. Call this in a new process."""
    espeak = Espeak(folder / "voices")
    for u in range(count):
        rng = np.random.default_rng([seed, SETS[name], index, u + 1])
        while True:
            text = sentence(rng)
            rate = 175 * np.exp(rng.normal(0, 0.06))
            dry = espeak.say(
                speaker, text, rate, 50 + rng.normal(0, 3), 50 + rng.normal(0, 8), int(rng.integers(1 << 31))
            )
            if SHORTEST <= len(dry) / espeak.rate <= LONGEST - 0.7:  # leave time for the silence around it
                break
        dry = signal.resample_poly(dry.astype(np.float64), RATE // 50, espeak.rate // 50)
        wet = record(rng, dry)
        write_wav(folder / name / speaker / f"{speaker}-u{u + 1:03d}.wav", wet)


def make_data(corpus_dir: Path, out_dir: Path) -> None:
    """Stage 1: write the data directories of training and evaluation set, and the trial list."""
    folder = corpus_dir.absolute()
    record = Stamp(folder / "corpus.json", {}, []).read()
    if record is None:
        raise RecipeError(
            f"{folder}: no finished mini corpus (corpus.json is missing): run local/prepare_mini.py corpus {corpus_dir}"
        )
    settings = record["settings"]
    tables = ("wav.scp", "utt2spk", "spk2utt", "utt2dur", "utt2spk.truth")
    outputs = [out_dir / name / table for name in SETS for table in tables]
    outputs += [out_dir / "eval" / name for name in ("trials", "utt2sess")]
    record = {"corpus": settings, "folder": str(folder), "trials": TRIALS_PER_SPEAKER}
    stamp = Stamp(out_dir / "mini.json", record, [], outputs)
    if stamp.reuse(out_dir):
        return
    wav, truth, duration = ({name: {} for name in SETS} for _ in range(3))
    for name, speaker, utt, path in utterances(folder, settings):
        try:
            header = soundfile.info(path)
        except (OSError, RuntimeError) as error:
            raise RecipeError(
                f"{path}: cannot read this file: {error}; run local/prepare_mini.py corpus {corpus_dir}"
            ) from error
        wav[name][utt], truth[name][utt], duration[name][utt] = path, speaker, f"{header.frames / RATE:.3f}"
    for name in SETS:
        write_unlabelled(out_dir / name, wav[name], truth[name], utt2dur=duration[name])
    write_table(out_dir / "eval/utt2sess", {utt: utt for utt in wav["eval"]})  # each utterance is a session of its own
    genders = dict(line.split() for line in (folder / "spk2gender").read_text().splitlines())
    lines = draw_trials(truth["eval"], genders, TRIALS_PER_SPEAKER, settings["seed"])
    write_lines(out_dir / "eval/trials", lines)
    stamp.write()
    log.info("%s: %s utterances, %d trials", out_dir, json.dumps({n: len(wav[n]) for n in SETS}), len(lines))


if __name__ == "__main__":
    console.run(main)
