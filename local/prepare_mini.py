#!/usr/bin/env python3
"""Make the mini corpus, and its data directories.

mini is synthetic: about 100 voices of the formant synthesiser espeak-ng, made on the spot from a seed. It is there to
learn the recipe and to test it in minutes. How good a system is, only real speech tells (speechocean762, VoxCeleb).
Its voices overlap: a cosine of MFCC means and deviations (local/mfcc_baseline.py), which learns nothing, scores an EER
of about 20 % on its trials.

  corpus  makes the audio (stage 0)
          Writes  CORPUS_DIR/{train,eval}/SPEAKER/UTTERANCE.wav, 16 kHz mono int16, 2 to 6 s
                  CORPUS_DIR/voices/SPEAKER, the voice file of each speaker; CORPUS_DIR/spk2gender
                  CORPUS_DIR/corpus.json, the settings, when all else is finished
  data    describes it in Kaldi's way (stage 1)
          Reads   CORPUS_DIR as made by `corpus`
          Writes  OUT_DIR/{train,eval}/{wav.scp,utt2spk,spk2utt,utt2dur,utt2spk.truth}, OUT_DIR/eval/trials
                  OUT_DIR/mini.json, the settings, when all else is finished

A finished output of the same settings is reused, any other is made anew. Everything is a function of the seed: the
same bytes come out of every run on one machine, with any number of processes.

A speaker is a drawn voice: accent, vocal-tract length and an offset per formant, heights and widths of the formants,
pitch and its range, tilt of the voice source, breath, roughness, flutter, strength of consonants, speed, stress. An
utterance draws a sentence, a little prosody and a session: microphone, telephone band for some, a small room, a noise
floor, a level. Training and evaluation have different speakers.

No label reaches training: in both sets every utterance is a speaker of its own (utt2spk), and the real speakers stand
in utt2spk.truth alone. eval/trials holds for each evaluation speaker 80 target trials, 80 nontarget trials of the same
gender and 80 of the other, fewer where there are not as many pairs; they are the first ones by the SHA-256 of
"SEED ENROL TEST" (local/trials.py), so the list depends on nothing but ids and seed.

Examples:
    local/prepare_mini.py corpus data/mini/corpus --seed 0
    local/prepare_mini.py data data/mini/corpus data/mini/local
"""

import json
import multiprocessing
import multiprocessing.connection
import os
from pathlib import Path

import numpy as np
import soundfile
from scipy import signal

import rebuild
from acoustics import RATE, coloured_noise, db, microphone, rms, room_response, write_wav
from dlglc.console import log, parser, progress, run
from dlglc.data.tables import write_data_dir, write_table
from dlglc.errors import RecipeError
from dlglc.files import write_text
from dlglc.provenance import Stamp
from espeak import Espeak, language_file, version
from sentences import sentence
from trials import draw_trials

RECIPE = 1  # counts changes of what is drawn below, so that a corpus of an older recipe is made anew
SETS = {"train": 0, "eval": 1}
ACCENTS = ["en-US", "en-US-nyc", "en", "en-GB-x-rp", "en-GB-scotland", "en-GB-x-gbcwmd", "en-GB-x-gbclan", "en-029"]
SHORTEST, LONGEST = 2.0, 6.0  # seconds
TRIALS_PER_SPEAKER = 80
# The corpus's difficulty: how far voices lie apart, and how far microphones pull one voice apart (1 = mildly).
# A network that takes the mean of its features away is hardly troubled by the second; a mean of MFCC is.
VOICES, MICROPHONES = 0.85, 2.4


def main() -> None:
    top = parser(__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="corpus|data")
    corpus = commands.add_parser("corpus", help="make the audio")
    corpus.add_argument("corpus_dir", metavar="CORPUS_DIR", type=Path)
    corpus.add_argument("--seed", type=int, default=0, help="another seed, another corpus (default 0)")
    corpus.add_argument("--speakers", type=int, default=80, help="training speakers (default 80)")
    corpus.add_argument("--utterances", type=int, default=18, help="utterances of each of them (default 18)")
    corpus.add_argument("--eval-speakers", type=int, default=24, help="evaluation speakers (default 24)")
    corpus.add_argument("--eval-utterances", type=int, default=15, help="utterances of each of them (default 15)")
    corpus.add_argument("--nj", type=int, default=None, help="processes (default: one per core); changes no byte")
    data = commands.add_parser("data", help="write the data directories")
    data.add_argument("corpus_dir", metavar="CORPUS_DIR", type=Path)
    data.add_argument("out_dir", metavar="OUT_DIR", type=Path)
    args = top.parse_args()
    if args.command == "corpus":
        make_corpus(args)
    else:
        make_data(args.corpus_dir, args.out_dir)


def make_corpus(args) -> None:
    for name, least in (("speakers", 1), ("utterances", 1), ("eval_speakers", 2), ("eval_utterances", 2), ("seed", 0)):
        if getattr(args, name) < least:
            raise RecipeError(f"--{name.replace('_', '-')} {getattr(args, name)}: must be {least} or more")
    if args.speakers + args.eval_speakers > 999 or max(args.utterances, args.eval_utterances) > 999:
        raise RecipeError("ids have three digits: at most 999 speakers, and 999 utterances of each")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    nj = cores if args.nj is None else args.nj
    if nj < 1:
        raise RecipeError(f"--nj {nj}: must be 1 or more")
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
    for _ in progress(in_processes(speak, jobs, nj), len(jobs), "speakers"):
        pass
    (voices / "espeak-ng-data").unlink(missing_ok=True)  # Espeak's link to the installed package
    write_table(folder / "spk2gender", genders)
    rebuild.finish(stamp)
    seconds = sum(soundfile.info(path).duration for *_, path in utterances(folder, settings))
    log.info("%s: %d speakers, %.2f hours", folder, len(jobs), seconds / 3600)


def in_processes(work, jobs: list[tuple], nj: int):
    """Call work(*job) for each job in a new process, `nj` at a time; yield as each is done.

    New, because espeak-ng's own counters must start from the same values whoever spoke before. They fork from a server
    without threads that has the slow imports done.

    Raises:
        RecipeError: a process failed or was killed; the others are stopped.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["numpy", "scipy.signal", "soundfile"])
    waiting, running = jobs[::-1], []
    try:
        while waiting or running:
            while waiting and len(running) < nj:
                running.append(context.Process(target=_child, args=(work, waiting.pop())))
                running[-1].start()
            multiprocessing.connection.wait([process.sentinel for process in running])
            for process in [p for p in running if p.exitcode is not None]:
                running.remove(process)
                if process.exitcode:
                    raise RecipeError(f"a process ended with status {process.exitcode}: see above; then run this again")
                yield
    finally:
        for process in running:
            process.terminate()
            process.join()


def _child(work, job: tuple) -> None:
    run(lambda: work(*job))


def speakers(settings: dict) -> dict[str, tuple[str, int, int]]:
    """speaker id -> set, number within the set, utterances."""
    table = {}
    for name in SETS:
        number, count = settings[name]
        table.update({f"m{len(table) + i + 1:03d}": (name, i, count) for i in range(number)})
    return table


def utterances(folder: Path, settings: dict):
    """Yield set, speaker, utterance id and WAV path of everything in a corpus."""
    for speaker, (name, _, count) in speakers(settings).items():
        for u in range(count):
            utt = f"{speaker}-u{u + 1:03d}"
            yield name, speaker, utt, folder / name / speaker / f"{utt}.wav"


def draw_voice(rng, speaker: str, female: bool) -> str:
    """The text of an espeak-ng voice file: the accent's own lines, then what makes the speaker.

    Espeak's files are written in per cent of its default voice, a man of 100 Hz.
    """
    pitch = np.exp(rng.normal(np.log(185 if female else 108), 0.15 * VOICES))
    spread = rng.uniform(1.2, 1.55)
    tract = rng.normal(1.10 if female else 0.97, 0.045 * VOICES)  # all formants: the shorter the tract, the higher
    lines = [language_file(ACCENTS[rng.integers(len(ACCENTS))]).rstrip()]
    lines.append(f"name {speaker}")
    lines.append(f"pitch {pitch / np.sqrt(spread):.0f} {pitch * np.sqrt(spread):.0f}")
    for formant in range(9):
        own = rng.normal(0, (0.05 if formant < 4 else 0.07) * VOICES)
        height = np.exp(rng.normal(0, (0.20 if formant < 4 else 0.35) * VOICES))
        width = np.exp(rng.normal(0, 0.25 * VOICES))
        lines.append(f"formant {formant} {100 * tract * (1 + own):.0f} {100 * height:.0f} {100 * width:.0f}")
    tilt = rng.normal(0, 0.25 * VOICES)
    tone = [np.clip(base * np.exp(-tilt * step), 20, 255) for step, base in enumerate((170, 135, 110, 105))]
    lines.append("tone " + " ".join(f"{f} {a:.0f}" for f, a in zip((600, 1200, 2000, 3500), tone)))
    breath = rng.choice([0.0, rng.uniform(2, 12) * VOICES])
    lines.append("breath " + " ".join(f"{breath * rng.uniform(0.5, 1.5):.0f}" for _ in range(8)))
    lines.append(f"roughness {rng.integers(0, 6)}")
    lines.append(f"flutter {rng.integers(0, 9)}")
    lines.append(
        f"consonants {100 + 40 * VOICES * rng.uniform(-1, 1):.0f} {100 + 40 * VOICES * rng.uniform(-1, 1):.0f}"
    )
    lines.append(f"speed {rng.integers(88, 114)}")
    lines.append(f"intonation {rng.integers(1, 5)}")
    lines.append("stressAdd " + " ".join(str(n) for n in rng.integers(-18, 19, 8)))
    lines.append("echo 0 0")
    return "\n".join(lines) + "\n"


def speak(folder: Path, name: str, speaker: str, index: int, count: int, seed: int) -> None:
    """Make all utterances of one speaker. To be called in a process of its own."""
    espeak = Espeak(folder / "voices")
    for u in range(count):
        rng = np.random.default_rng([seed, SETS[name], index, u + 1])
        while True:
            text = sentence(rng)
            rate = 175 * np.exp(rng.normal(0, 0.06))
            dry = espeak.say(
                speaker, text, rate, 50 + rng.normal(0, 3), 50 + rng.normal(0, 8), int(rng.integers(1 << 31))
            )
            if SHORTEST <= len(dry) / espeak.rate <= LONGEST - 0.7:  # room for the silence around it
                break
        dry = signal.resample_poly(dry.astype(np.float64), RATE // 50, espeak.rate // 50)
        wet = record(rng, dry)
        write_wav(folder / name / speaker / f"{speaker}-u{u + 1:03d}.wav", wet)


def record(rng, dry: np.ndarray) -> np.ndarray:
    """Put clean speech through a drawn session: silence around it, room, noise floor, microphone, telephone, level."""
    x = np.pad(dry / rms(dry), rng.integers(int(0.05 * RATE), int(0.3 * RATE), 2))
    if rng.random() < 0.6:
        response = room_response(rng, rng.uniform(0.1, 0.45), rng.uniform(3, 15), 0.35)
        x = signal.fftconvolve(x, response)[: len(x)]
    x /= rms(x)
    x += coloured_noise(rng, len(x), rng.uniform(-6, 0)) * db(-rng.uniform(8, 32))
    x = microphone(rng, x, MICROPHONES)
    if rng.random() < 0.2:
        x = telephone(rng, x)
    level = min(db(-rng.uniform(18, 32)) / rms(x), 0.9 / np.max(np.abs(x)))
    return x * level


def telephone(rng, x: np.ndarray) -> np.ndarray:
    """300–3400 Hz, 8-bit mu-law, and the hiss of the far end over the whole band."""
    band = signal.butter(4, [rng.uniform(200, 350), rng.uniform(3200, 3800)], "bandpass", fs=RATE, output="sos")
    x = signal.sosfilt(band, x)
    x /= np.max(np.abs(x))
    code = np.rint(np.sign(x) * np.log1p(255 * np.abs(x)) / np.log(256) * 127) / 127
    x = signal.sosfilt(band, np.sign(code) * np.expm1(np.abs(code) * np.log(256)) / 255)
    return x + coloured_noise(rng, len(x), 0) * rms(x) * db(-rng.uniform(35, 45))


def make_data(corpus_dir: Path, out_dir: Path) -> None:
    folder = corpus_dir.absolute()
    record = Stamp(folder / "corpus.json", {}, []).read()
    if record is None:
        raise RecipeError(
            f"{folder}: no finished mini corpus (corpus.json is missing): run local/prepare_mini.py corpus {corpus_dir}"
        )
    settings = record["settings"]
    stamp = Stamp(out_dir / "mini.json", {"corpus": settings, "folder": str(folder), "trials": TRIALS_PER_SPEAKER}, [])
    tables = ("wav.scp", "utt2spk", "spk2utt", "utt2dur", "utt2spk.truth")
    outputs = [out_dir / name / table for name in SETS for table in tables] + [out_dir / "eval/trials"]
    if stamp.matches() and all(path.exists() for path in outputs):
        log.info("%s: finished before from this corpus, reused", out_dir)
        return
    stamp.clear()
    wav, truth, duration = ({name: {} for name in SETS} for _ in range(3))
    for name, speaker, utt, path in utterances(folder, settings):
        try:
            header = soundfile.info(path)
        except (OSError, RuntimeError) as error:
            raise RecipeError(
                f"{path}: cannot read it: {error}; run local/prepare_mini.py corpus {corpus_dir}"
            ) from error
        wav[name][utt], truth[name][utt], duration[name][utt] = path, speaker, f"{header.frames / RATE:.3f}"
    for name in SETS:
        write_data_dir(
            out_dir / name,
            wav[name],
            {utt: utt for utt in wav[name]},  # unlabelled: speaker = utterance
            utt2dur=duration[name],
            **{"utt2spk.truth": truth[name]},
        )
    genders = dict(line.split() for line in (folder / "spk2gender").read_text().splitlines())
    lines = draw_trials(truth["eval"], genders, TRIALS_PER_SPEAKER, settings["seed"])
    write_text(out_dir / "eval/trials", "".join(f"{line}\n" for line in lines))
    stamp.write()
    log.info("%s: %s utterances, %d trials", out_dir, json.dumps({n: len(wav[n]) for n in SETS}), len(lines))


if __name__ == "__main__":
    run(main)
