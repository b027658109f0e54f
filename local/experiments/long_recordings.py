#!/usr/bin/env python3
"""How much is lost if speech comes as long recordings? The same speech twice: as utterances, and joined with pauses.

Reads   SOURCE, Kaldi-style directories train and eval with wav.scp (paths relative to SOURCE), utt2spk, utt2sess.
Writes  OUT_DIR/given/SESSION/UTTERANCE.ogg (links), OUT_DIR/joined/SESSION-N.flac: the utterances of each session in
        order, with 0.7 to 2.5 s of near silence between them, a new file after 20 minutes of speech.
        OUT_DIR/held_out/SPEAKER/SESSION/UTTERANCE.ogg (links): eval, for --held-out.

Run with the files as they were given and with the joined ones (about half an hour each on one core):
    ./run.sh --corpus folder --folders session --data data/given --corpus-dir "$PWD/data/long/given" \\
        --held-out "$PWD/data/long/held_out" --rounds 1
    ./run.sh --corpus folder --data data/joined --corpus-dir "$PWD/data/long/joined" \\
        --held-out "$PWD/data/long/held_out" --rounds 1

Example
    local/experiments/long_recordings.py /corpora/librispeech data/long
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile

from dlglc import console
from dlglc.arrays import Array
from dlglc.data.tables import read_table

RATE = 16000
LONGEST = 20 * 60 * RATE  # samples of speech in a joined recording
PAUSE = (0.7, 2.5)  # s; a cut needs 0.5 s
FLOOR = 3e-4  # deviation of the noise in a pause: -70 dB of full scale


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()
    source, out = args.source.resolve(), args.out_dir

    paths, session = read_table(source / "train/wav.scp"), read_table(source / "train/utt2sess")
    for utt, path in paths.items():
        link(out / "given" / session[utt] / utt, source / path)
    evaluation, speaker = read_table(source / "eval/wav.scp"), read_table(source / "eval/utt2spk")
    where = read_table(source / "eval/utt2sess")
    for utt, path in evaluation.items():
        link(out / "held_out" / speaker[utt] / where[utt] / utt, source / path)
    names = sorted(set(session.values()))
    for number, name in enumerate(console.progress(names, len(names), "sessions")):
        files = [source / paths[utt] for utt in paths if session[utt] == name]
        join(files, out / "joined", name, np.random.default_rng(number))


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
        folder: where NAME-0.flac, NAME-1.flac, … go.
        name: of the session.
        rng: draws the pauses.
    """
    speech = [soundfile.read(file, dtype="float32")[0] for file in files]
    ends = np.cumsum([len(wave) for wave in speech])
    starts = [0, *(i for i in range(1, len(ends)) if ends[i] // LONGEST > ends[i - 1] // LONGEST), len(ends)]
    folder.mkdir(parents=True, exist_ok=True)
    for number, (first, last) in enumerate(pairwise(starts)):
        parts: list[Array] = [pause(rng)]
        for wave in speech[first:last]:
            parts += [wave, pause(rng)]
        soundfile.write(folder / f"{name}-{number}.flac", np.concatenate(parts), RATE)


def pause(rng: np.random.Generator) -> Array:
    """A pause, with noise at a low level as a recorder has it."""
    quiet: Array = rng.normal(0, FLOOR, int(rng.uniform(*PAUSE) * RATE)).astype(np.float32)
    return quiet


if __name__ == "__main__":
    console.run(main)
