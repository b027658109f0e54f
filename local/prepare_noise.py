#!/usr/bin/env python3
"""Make noise clips and room impulse responses for augmentation, or describe those of MUSAN and RIRS_NOISES.

Without these they are synthetic, so that the recipe runs without a download: 16 kHz mono int16, a function of the seed
and the same bytes from run to run. A finished output of the same settings is reused, any other is made anew.

  noise  30 clips: coloured, gusts, hum, clicks, machines; 15 of music: chords and a beat; with --speech 15 of babble:
         4 to 8 utterances at once; each 5 to 10 s. The speaker in utt2spk is the kind (noise, music, babble), which
         chooses the range of signal-to-noise ratios (conf/augment.yaml)
  rirs   200 rooms with a microphone in each: a direct path, early reflections, a decaying noise tail, reverberation
         times of 0.1 to 0.7 s, at most 0.8 s long; through a filter of up to some 20 dB between bass and treble

With --musan, noise is MUSAN's 930 clips of noise, 660 of music and 426 of speech; with --rirs-noises, rirs are the
simulated rooms of RIRS_NOISES, 10 of the 100 responses of each of the 600 rooms (they differ in the places of speaker
and microphone), or all. local/noise_corpora.py gets both. Files stay where they are.

Reads   DATA_DIR/wav.scp of a training set, for babble (audio files, or entries file.ark:offset)
        MUSAN_DIR/{noise,music,speech}/*/*.wav, RIRS_DIR/simulated_rirs/*room/*/*.wav
Writes  OUT_DIR/{noise,rirs}/{wav.scp,utt2spk,spk2utt,utt2dur}, OUT_DIR/{noise,rirs}/wav/*.wav (synthetic ones)
        OUT_DIR/noise.json, the settings, when all else is finished

Example:
    local/prepare_noise.py data/mini --speech data/mini/train
    local/prepare_noise.py data/voxceleb --musan /corpora/musan --rirs-noises /corpora/RIRS_NOISES
"""

from pathlib import Path

import numpy as np
from scipy import signal

import rebuild
from acoustics import RATE, coloured_noise, db, microphone, rms, room_response, write_wav
from dlglc.console import log, parser, progress, run
from dlglc.data.audio import Recordings
from dlglc.data.tables import write_data_dir, write_table
from dlglc.errors import RecipeError
from dlglc.provenance import Stamp
from noise_corpora import musan_clips, simulated_rooms

RECIPE = 2  # counts changes of what is drawn below, so that an older output is made anew
CLIPS = {"noise": 30, "music": 15, "babble": 15}
ROOMS = 200


def main() -> None:
    args = parser(__doc__)
    args.add_argument("out_dir", metavar="OUT_DIR", type=Path, help="where noise/ and rirs/ go")
    args.add_argument("--seed", type=int, default=0, help="another seed, other clips and rooms (default 0)")
    args.add_argument("--speech", metavar="DATA_DIR", type=Path, help="training set for babble (default: no babble)")
    args.add_argument("--musan", metavar="MUSAN_DIR", type=Path, help="noise from here (default: synthetic)")
    args.add_argument("--rirs-noises", metavar="RIRS_DIR", type=Path, help="rooms from here (default: synthetic)")
    args.add_argument(
        "--rirs-per-room", type=int, default=10, help="of 100; every GPU holds all in memory (default: 10)"
    )
    args = args.parse_args()
    if args.seed < 0:
        raise RecipeError(f"--seed {args.seed}: must be 0 or more")
    speech = None
    if args.speech and not args.musan:
        speech = Recordings(args.speech, RATE, probe=False)
        if len(speech) < 8:
            raise RecipeError(f"{speech.scp}: babble takes 8 utterances or more, found {len(speech)}")

    out_dir = args.out_dir.absolute()
    if not 1 <= args.rirs_per_room <= 100:
        raise RecipeError(f"--rirs-per-room {args.rirs_per_room}: choose 1 to 100")
    settings = {"recipe": RECIPE, "seed": args.seed, "clips": CLIPS, "rooms": ROOMS}
    published: dict[str, dict[str, Path]] = {}
    if args.musan:
        published["noise"] = musan_clips(args.musan)
        settings["musan"] = str(args.musan.absolute())
    if args.rirs_noises:
        published["rirs"] = simulated_rooms(args.rirs_noises, args.rirs_per_room)
        settings |= {"rirs_noises": str(args.rirs_noises.absolute()), "rirs_per_room": args.rirs_per_room}
    stamp = Stamp(out_dir / "noise.json", settings, [speech.scp if speech else None])
    kinds = [kind for kind in CLIPS if kind != "babble" or speech]
    names = {
        "noise": [(kind, i) for kind in kinds for i in range(CLIPS[kind])],
        "rirs": [("rir", i) for i in range(ROOMS)],
    }
    names |= {part: [] for part in published}
    paths = {
        part: {f"{kind}-{i + 1:04d}": out_dir / part / "wav" / f"{kind}-{i + 1:04d}.wav" for kind, i in clips}
        for part, clips in names.items()
    } | published
    tables = [out_dir / part / table for part in names for table in ("wav.scp", "utt2spk", "spk2utt", "utt2dur")]
    if (
        stamp.matches()
        and all(p.exists() for part in paths.values() for p in part.values())
        and all(p.exists() for p in tables)
    ):
        log.info("%s: noise and rirs finished before with these settings, reused", out_dir)
        return
    rebuild.begin(stamp, [out_dir / part for part in names])
    if not speech and not args.musan:
        log.info("no babble: no training set was named with --speech")
    work = [(part, kind, i) for part, clips in names.items() for kind, i in clips]
    for part, kind, i in progress(work, len(work), "clips"):
        rng = np.random.default_rng([args.seed, [*CLIPS, "rir"].index(kind), i])
        if kind == "rir":
            x = room(rng)
        else:
            length = int(rng.uniform(5, 10) * RATE)
            x = babble(rng, length, speech) if kind == "babble" else MAKERS[kind](rng, length)
            x = x * min(db(-25) / rms(x), 0.9 / np.max(np.abs(x)))
        write_wav(paths[part][f"{kind}-{i + 1:04d}"], x)
    for part, wav in paths.items():
        write_data_dir(out_dir / part, wav, {utt: utt.split("-")[0] for utt in wav})
        samples = Recordings(out_dir / part, RATE).num_samples.tolist()
        lengths = dict(zip(sorted(wav), samples))
        write_table(out_dir / part / "utt2num_samples", lengths)
        write_table(out_dir / part / "utt2dur", {utt: f"{length / RATE:.3f}" for utt, length in lengths.items()})
    rebuild.finish(stamp)
    log.info("%s: %d noise clips, %d impulse responses", out_dir, len(paths["noise"]), len(paths["rirs"]))


def room(rng) -> np.ndarray:
    """A room with a microphone in it: recordings of one voice differ as much by the one as by the other."""
    rt60 = rng.uniform(0.1, 0.7)
    response = room_response(rng, rt60, rng.uniform(-3, 12), min(0.8, 1.1 * rt60 + 0.05))
    response = microphone(rng, response, rng.uniform(0, 2.5))
    return 0.98 * response / np.max(np.abs(response))


def noise(rng, length: int) -> np.ndarray:
    """One of five families, each over a faint coloured floor."""
    time = np.arange(length) / RATE
    family = rng.choice(["coloured", "gusts", "hum", "clicks", "machine"])
    floor = coloured_noise(rng, length, rng.uniform(-7, 1))
    if family == "coloured":
        return floor
    if family == "gusts":  # wind, waves, passing cars: the level wanders by some 20 dB
        knots = rng.normal(0, 7, length // RATE * 2 + 2)
        level = np.interp(time, np.linspace(0, time[-1], len(knots)), knots)
        return floor * 10.0 ** (level / 20)
    if family == "hum":
        base = rng.choice([50.0, 60.0]) * rng.uniform(0.98, 1.02)
        partials = range(1, rng.integers(6, 30))
        x = sum(rng.exponential(1.0) * n**-0.7 * np.sin(2 * np.pi * (base * n * time + rng.random())) for n in partials)
        return x / rms(x) + 0.3 * floor
    if family == "clicks":  # keys, dishes, rain on a window: short resonances at random times
        x = np.zeros(length)
        for start in rng.integers(0, length, max(8, int(rng.uniform(2, 25) * time[-1]))):
            ring = np.arange(min(int(0.08 * RATE), length - start)) / RATE
            tone = np.sin(2 * np.pi * rng.uniform(400, 6000) * ring) + 0.5 * rng.standard_normal(len(ring))
            x[start : start + len(ring)] += rng.exponential(1.0) * tone * np.exp(-ring / rng.uniform(0.002, 0.02))
        return x / rms(x) + 0.2 * floor
    # machine: bands of noise that beat at a steady rate
    low = rng.uniform(80, 3000)
    band = signal.butter(2, [low, min(low * rng.uniform(1.3, 4), 7500)], "bandpass", fs=RATE, output="sos")
    x = signal.sosfilt(band, rng.standard_normal(length))
    x *= 1 + rng.uniform(0.5, 1.0) * signal.sawtooth(2 * np.pi * rng.uniform(1.5, 30) * time, rng.random())
    return x / rms(x) + 0.4 * floor


def music(rng, length: int) -> np.ndarray:
    """Four chords of one key played in turn as notes with overtones and decay, a bass, and a beat of noise."""
    x = np.zeros(length)
    beat = int(60 / rng.uniform(70, 150) * RATE)
    root = rng.uniform(110, 220)
    scale = [0, 2, 4, 5, 7, 9, 11] if rng.random() < 0.6 else [0, 2, 3, 5, 7, 8, 10]
    degrees = [scale[d % 7] + 12 * (d // 7) for d in range(14)]
    chords = [[degrees[first + step] for step in (0, 2, 4)] for first in rng.integers(0, 7, 4)]
    overtones, fading = rng.uniform(0.8, 2.0), rng.uniform(0.15, 1.2)
    drum, loudness = rng.uniform(0.01, 0.06), rng.choice([0.0, rng.uniform(0.3, 1.5)])

    def note(start: int, semitones: float, level: float, beats: float) -> None:
        ring = np.arange(min(int(beats * beat), length - start)) / RATE
        pitch = root * 2.0 ** (semitones / 12)
        tone = sum(n**-overtones * np.sin(2 * np.pi * n * pitch * ring) for n in range(1, 9) if n * pitch < 7500)
        x[start : start + len(ring)] += level * tone * np.exp(-ring / fading) * np.minimum(ring / 0.01, 1.0)

    for number, start in enumerate(range(0, length, beat)):
        chord = chords[number // 4 % 4]
        if number % 4 == 0:
            for semitones in chord:
                note(start, semitones, 0.5, 4)
            note(start, chord[0] - 12, 0.8, 4)
        if start + beat // 2 < length:
            note(start + rng.integers(2) * (beat // 2), rng.choice(chord) + 12, 0.6, 1)
        ring = np.arange(min(beat, length - start)) / RATE
        x[start : start + len(ring)] += loudness * rng.standard_normal(len(ring)) * np.exp(-ring / drum)
    return x


def babble(rng, length: int, speech: Recordings) -> np.ndarray:
    """Four to eight utterances at once, each from a drawn place on and in a loop, at similar levels."""
    x = np.zeros(length)
    for i in rng.choice(len(speech), rng.integers(4, 9), replace=False):
        voice = speech.read(i).astype(np.float64)
        if len(voice) == 0:
            raise RecipeError(f"{speech.scp}:{i + 1}: {speech.ids[i]} holds no sample: take it out")
        voice = np.resize(np.roll(voice, rng.integers(len(voice))), length)
        x += voice / max(rms(voice), 1.0) * db(rng.uniform(-4, 4))
    return x


MAKERS = {"noise": noise, "music": music}

if __name__ == "__main__":
    run(main)
