#!/usr/bin/env python3
"""How much is lost if speech comes as long recordings? The same speech twice: as utterances, and joined with pauses.

Reads   SOURCE, Kaldi-style directories train and eval with wav.scp (paths relative to SOURCE), utt2spk, utt2sess.
Writes  OUT_DIR/joined/SESSION_N.flac: the utterances of each session in order, with 0.7 to 2.5 s of near silence behind
        each, a new file after 20 minutes.
        OUT_DIR/held_out/SPEAKER/SESSION/UTTERANCE (links): eval, for --held-out.

Run with the files as they were given and with the joined ones (about half an hour each on one core):
    ./run.sh --corpus folder --data data/given --corpus-dir /corpora/librispeech/train \\
        --held-out "$PWD/data/long/held_out" --rounds 1
    ./run.sh --corpus folder --data data/joined --corpus-dir "$PWD/data/long/joined" \\
        --held-out "$PWD/data/long/held_out" --rounds 1

Example
    local/experiments/long_recordings.py /corpora/librispeech data/long
"""

from pathlib import Path

import numpy as np
import soundfile

from dlglc import console
from dlglc.arrays import Array
from dlglc.data.tables import read_table

RATE = 16000
LONGEST = 20 * 60 * RATE  # samples after which a joined recording ends
PAUSE = (0.7, 2.5)  # s; a cut needs 0.5 s
FLOOR = 1e-4  # deviation of the noise in a pause: -80 dB of full scale


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()
    source, out = args.source.resolve(), args.out_dir

    evaluation, speaker = read_table(source / "eval/wav.scp"), read_table(source / "eval/utt2spk")
    where = read_table(source / "eval/utt2sess")
    for utt, path in evaluation.items():
        link(out / "held_out" / speaker[utt] / where[utt] / utt, source / path)
    paths, session = read_table(source / "train/wav.scp"), read_table(source / "train/utt2sess")
    files: dict[str, list[Path]] = {}
    for utt in sorted(paths):
        files.setdefault(session[utt], []).append(source / paths[utt])
    (out / "joined").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for name in console.progress(files, len(files), "sessions"):
        join(files[name], out / "joined", name, rng)


def link(place: Path, target: Path) -> None:
    """Make a link to an audio file, with the ending of the file."""
    place = place.with_name(place.name + target.suffix)
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.is_symlink():
        place.symlink_to(target)


def join(files: list[Path], folder: Path, name: str, rng: np.random.Generator) -> None:
    """Write the utterances of a session one behind the other, with pauses between them.

    Args:
        files: audio of the session, 16 kHz mono.
        folder: where NAME_0.flac, NAME_1.flac, … go.
        name: of the session.
        rng: draws the pauses.
    """
    parts: list[Array] = []
    number = 0
    for place, file in enumerate(files, 1):
        parts += [soundfile.read(file, dtype="float32")[0], pause(rng)]
        if place == len(files) or sum(map(len, parts)) > LONGEST:
            soundfile.write(folder / f"{name}_{number}.flac", np.concatenate(parts), RATE)
            parts, number = [], number + 1


def pause(rng: np.random.Generator) -> Array:
    """A pause, with noise at a low level as a recorder has it."""
    samples = int(RATE * rng.uniform(*PAUSE))
    quiet: Array = rng.normal(0, FLOOR, samples)
    return quiet


if __name__ == "__main__":
    console.run(main)
