#!/usr/bin/env python3
"""Make noise clips and room impulse responses for augmentation, or data directories of MUSAN and RIRS_NOISES.

Synthetic noise and rooms need no download. They are 16 kHz mono int16, and the same seed gives the same bytes.

  noise  60 clips of 5 to 10 s: 30 of noise (coloured, gusts, hum, clicks, machines), 15 of music (chords and a beat),
         and with --speech 15 of babble (4 to 8 utterances at once). The speaker in utt2spk is the kind: noise, music or
         babble. conf/augment.yaml has a range of signal-to-noise ratios for each kind.
  rirs   200 rooms, each with a microphone: a direct path, early reflections, and a decaying tail. The reverberation
         time is 0.1 to 0.7 s, the length at most 0.8 s. The microphone changes the spectrum by up to about 20 dB.

With --musan, noise is MUSAN: 930 clips of noise, 660 of music and 426 of speech. With --rirs-noises, rirs are the
simulated rooms of RIRS_NOISES: 10 of the 100 responses of each of the 600 rooms (they differ in the places of speaker
and microphone), or more with --rirs-per-room. The files stay where they are. local/noise_corpora.py downloads both.

Reads   DATA_DIR/wav.scp of a training set, for babble
        MUSAN_DIR/{noise,music,speech}/*/*.wav, RIRS_DIR/simulated_rirs/*room/*/*.wav
Writes  OUT_DIR/{noise,rirs}/{wav.scp,utt2spk,spk2utt,utt2num_samples,utt2dur}
        OUT_DIR/{noise,rirs}/wav/*.wav, the synthetic clips and rooms
        OUT_DIR/noise.json, the record of the settings, when everything is finished

A finished output with the same settings is reused. Any other output of this script is made again.

Example
    local/make_noise.py data/mini --speech data/mini/train
    local/make_noise.py data/voxceleb --musan /corpora/musan --rirs-noises /corpora/RIRS_NOISES
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import rebuild
from acoustics import RATE, db, rms, write_wav
from dlglc import console
from dlglc.console import log
from dlglc.data.audio import Recordings
from dlglc.data.tables import write_data_dir, write_table
from dlglc.errors import RecipeError
from dlglc.provenance import Stamp
from noise_corpora import musan_clips, simulated_rooms
from noise_synthesis import babble, music, noise, room

RECIPE = 2  # raise this number when the drawing changes: then the output of an older version is made again
KINDS = {"noise": ["noise", "music", "babble"], "rirs": ["rir"]}  # of each part
COUNTS = {"noise": 30, "music": 15, "babble": 15, "rir": 200}  # synthetic clips of each kind
LEAST_SPEECH = 8  # utterances; as many as one clip of babble can have

Paths = dict[str, Path]  # id → audio file


class Clip(NamedTuple):
    """A synthetic clip or room: its kind, and its number within the kind, from 0."""

    kind: str
    number: int

    @property
    def name(self) -> str:
        """Its id, e.g. music-0001."""
        return f"{self.kind}-{self.number + 1:04d}"


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("out_dir", metavar="OUT_DIR", type=Path, help="where noise/ and rirs/ go")
    parser.add_argument("--seed", type=int, default=0, help="of clips and rooms (default: 0)")
    parser.add_argument("--speech", metavar="DATA_DIR", type=Path, help="training set for babble (default: no babble)")
    parser.add_argument("--musan", metavar="MUSAN_DIR", type=Path, help="MUSAN for the noise (default: synthetic)")
    parser.add_argument(
        "--rirs-noises", metavar="RIRS_DIR", type=Path, help="RIRS_NOISES for the rooms (default: synthetic)"
    )
    parser.add_argument(
        "--rirs-per-room", type=int, default=10,
        help="responses of each room of RIRS_NOISES, 1 to 100; every GPU has all of them in memory (default: 10)",
    )  # fmt: skip
    args = parser.parse_args()
    if args.seed < 0:
        raise RecipeError(f"--seed {args.seed}: must be 0 or more")
    speech = open_speech(args.speech) if args.speech and not args.musan else None
    if not 1 <= args.rirs_per_room <= 100:
        raise RecipeError(f"--rirs-per-room {args.rirs_per_room}: choose 1 to 100")

    settings: dict[str, Any] = {
        "recipe": RECIPE,
        "seed": args.seed,
        "clips": {kind: COUNTS[kind] for kind in KINDS["noise"]},
        "rooms": COUNTS["rir"],
    }
    published: dict[str, Paths] = {}
    if args.musan:
        published["noise"] = musan_clips(args.musan)
        settings["musan"] = str(args.musan.absolute())
    if args.rirs_noises:
        published["rirs"] = simulated_rooms(args.rirs_noises, args.rirs_per_room)
        settings |= {"rirs_noises": str(args.rirs_noises.absolute()), "rirs_per_room": args.rirs_per_room}
    prepare(args.out_dir.absolute(), args.seed, speech, published, settings)


def open_speech(data_dir: Path) -> Recordings:
    """The recordings for babble."""
    speech = Recordings(data_dir, RATE, probe=False)
    if len(speech) < LEAST_SPEECH:
        raise RecipeError(
            f"{speech.scp}: {len(speech)} utterances, but babble needs {LEAST_SPEECH} or more: use a larger set"
        )
    return speech


def prepare(
    out_dir: Path, seed: int, speech: Recordings | None, published: dict[str, Paths], settings: dict[str, Any]
) -> None:
    """Write the data directories noise and rirs, unless finished ones are there.

    Args:
        out_dir: where they go.
        seed: of the synthetic clips.
        speech: for babble; None = no babble.
        published: the audio files of a part that is not synthetic.
        settings: for the record.
    """
    stamp = Stamp(out_dir / "noise.json", settings, [speech.scp if speech else None])
    clips = {
        part: [
            Clip(kind, number)
            for kind in (() if part in published else kinds)
            if kind != "babble" or speech
            for number in range(COUNTS[kind])
        ]
        for part, kinds in KINDS.items()
    }
    paths = {part: {clip.name: out_dir / part / "wav" / f"{clip.name}.wav" for clip in clips[part]} for part in clips}
    paths |= published
    if stamp.matches() and is_complete(out_dir, paths):
        log.info("%s: noise and rirs finished before with these settings, reused", out_dir)
        return
    rebuild.begin(stamp, [out_dir / part for part in KINDS])
    if not speech and "noise" not in published:
        log.info("no babble, because there is no --speech")
    work = [(paths[part][clip.name], clip) for part in clips for clip in clips[part]]
    for path, clip in console.progress(work, len(work), "clips"):
        write_wav(path, synthesise(seed, clip, speech))
    for part, wav in paths.items():
        write_part(out_dir / part, wav)
    rebuild.finish(stamp)
    log.info("%s: %d noise clips, %d impulse responses", out_dir, len(paths["noise"]), len(paths["rirs"]))


def is_complete(out_dir: Path, paths: dict[str, Paths]) -> bool:
    """True if all audio files and tables are there."""
    tables = [out_dir / part / table for part in paths for table in ("wav.scp", "utt2spk", "spk2utt", "utt2dur")]
    return all(path.exists() for path in [*tables, *(path for wav in paths.values() for path in wav.values())])


def synthesise(seed: int, clip: Clip, speech: Recordings | None) -> np.ndarray:
    """The samples of a clip; ±1.0 is full scale."""
    rng = np.random.default_rng([seed, list(COUNTS).index(clip.kind), clip.number])
    if clip.kind == "rir":
        return room(rng)
    length = int(rng.uniform(5, 10) * RATE)
    if clip.kind == "babble" and speech:
        x = babble(rng, length, speech)
    else:
        x = {"noise": noise, "music": music}[clip.kind](rng, length)
    return x * min(db(-25) / rms(x), 0.9 / np.max(np.abs(x)))


def write_part(data_dir: Path, wav: Paths) -> None:
    """Write a data directory. The speaker of a clip is its kind, the first word of its id."""
    write_data_dir(data_dir, wav, {utt: utt.split("-")[0] for utt in wav})
    lengths = dict(zip(sorted(wav), Recordings(data_dir, RATE).num_samples.tolist()))
    write_table(data_dir / "utt2num_samples", lengths)
    write_table(data_dir / "utt2dur", {utt: f"{length / RATE:.3f}" for utt, length in lengths.items()})


if __name__ == "__main__":
    console.run(main)
