#!/usr/bin/env python3
"""A tree of files shaped like VoxCeleb, for tests and benchmarks: its folders, names and trial lists, other speech.

A speaker of the tree is a speaker of SPEECH_DIR, each utterance a cut of 2 to 4 seconds from what that one says; so
trials mean something. With --links nothing is cut: every file is a hard link to one of SPEECH_DIR's recordings, which
makes the whole of VoxCeleb (--full) in a minute and no room on the disk.

Reads   SPEECH_DIR/{wav.scp, utt2spk or utt2spk.truth}: files of 16 kHz mono; paths may be relative to it or its parent.
Writes  TREE/VoxCeleb2/dev/aac, TREE/VoxCeleb1/{dev,test}/wav: idNNNNN/VIDEO/NNNNN.EXTENSION; TREE/meta/*.txt, the lists

Example
    PYTHONPATH=steps:local tests/standin.py data/mini/local/train /tmp/tree --format flac
"""

import argparse
import os
import random
import string
from pathlib import Path

import numpy as np
import soundfile

from dlglc.data.tables import read_table
from dlglc.files import write_lines
from voxceleb import COUNTS, LISTS

FOLDERS = {"vox2_dev": "VoxCeleb2/dev/aac", "vox1_dev": "VoxCeleb1/dev/wav", "vox1_test": "VoxCeleb1/test/wav"}
# Speakers, videos, utterances. Videos of the whole: Chung et al. (2018), table 2, and the site's.
SMALL = {"vox2_dev": (8, 16, 48), "vox1_dev": (2, 4, 8), "vox1_test": (4, 8, 20)}
FULL = {name: (COUNTS[name][0], videos, COUNTS[name][1]) for name, videos in zip(COUNTS, (145_569, 21_819, 677))}
RATE = 16000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=["wav", "flac", "m4a"], default="wav", help="of VoxCeleb2 (default: wav)")
    parser.add_argument("--full", action="store_true", help="as many files and trials as VoxCeleb has")
    parser.add_argument("--links", action="store_true", help="hard links instead of cuts; WAV only, on the same disk")
    parser.add_argument("speech_dir", type=Path)
    parser.add_argument("tree", type=Path)
    args = parser.parse_args()
    make_tree(args.tree, read_speech(args.speech_dir), FULL if args.full else SMALL, args.format, args.links, args.full)


def read_speech(speech_dir: Path) -> list[list[Path]]:
    """The recordings of each speaker of a data directory."""
    truth = speech_dir / "utt2spk.truth"
    speakers = read_table(truth if truth.exists() else speech_dir / "utt2spk")
    speech: dict[str, list[Path]] = {}
    for utt, where in read_table(speech_dir / "wav.scp").items():
        path = speech_dir / where
        speech.setdefault(speakers[utt], []).append(path if path.exists() else speech_dir.parent / where)
    return list(speech.values())


def make_tree(top: Path, speech: list[list[Path]], sizes=SMALL, ending="wav", links=False, full=False) -> None:
    """Write the tree; the same one for the same arguments.

    Args:
        speech: recordings of each speaker to cut from.
        sizes: speakers, videos and utterances of each set, as SMALL.
        ending: of VoxCeleb2's files.
        full: trial lists of the published length, instead of 40 trials each.
    """
    rng = random.Random(0)
    voices: dict[str, list[str]] = {}
    first = 0
    for name, (speakers, videos, utterances) in sizes.items():
        start = {"vox2_dev": 12, "vox1_dev": 10001, "vox1_test": 10270}[name]
        numbers = [n for n in range(start, start + speakers + 40) if name != "vox1_dev" or not 10270 <= n <= 10309]
        for v in range(videos):
            s = v * speakers // videos
            # As YouTube's ids: eleven of these letters, "-" and "_" among them, also in front.
            folder = f"id{numbers[s]:05d}/{''.join(rng.choices(string.ascii_letters + string.digits + '-_', k=11))}"
            (top / FOLDERS[name] / folder).mkdir(parents=True)
            of_speaker = speech[(first + s) % len(speech)]
            for u in range(-(-v * utterances // videos), -(-(v + 1) * utterances // videos)):
                number = u - -(-v * utterances // videos) + 1
                kind = ending if name == "vox2_dev" else "wav"
                path = f"{top}/{FOLDERS[name]}/{folder}/{number:05d}.{kind}"
                if links:
                    os.link(of_speaker[u % len(of_speaker)], path)
                else:
                    write_audio(Path(path), cut(rng, of_speaker))
                if name != "vox2_dev":
                    voices.setdefault(folder[:7], []).append(f"{folder}/{number:05d}.wav")
        first += speakers
    for name, (file, trials, _) in LISTS.items():
        known = {s: utts for s, utts in voices.items() if name[0] in "eh" or 10270 <= int(s[2:]) <= 10309}
        write_lines(top / "meta" / file, draw_trials(rng, known, trials if full else 40))


def cut(rng: random.Random, recordings: list[Path]) -> np.ndarray:
    """2 to 4 s from two recordings of a speaker, one after the other."""
    samples = np.concatenate([soundfile.read(path, dtype="int16")[0] for path in rng.choices(recordings, k=2)])
    length = int(rng.uniform(2, 4) * RATE)
    return np.resize(np.roll(samples, -rng.randrange(len(samples))), length)


def write_audio(path: Path, samples: np.ndarray) -> None:
    if path.suffix != ".m4a":
        soundfile.write(path, samples, RATE)
        return
    import av

    with av.open(path, "w") as container:
        stream = container.add_stream("aac", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None] / np.float32(32768), format="fltp", layout="mono")
        frame.sample_rate = RATE
        container.mux([packet for part in (frame, None) for packet in stream.encode(part)])


def draw_trials(rng: random.Random, voices: dict[str, list[str]], count: int):
    """`1|0 enrol test` lines as VoxCeleb has them, every other one a target."""
    speakers = list(voices)
    for i in range(count):
        a = rng.choice(speakers)
        b = rng.choice([s for s in speakers if s != a]) if i % 2 else a
        enrol, test = rng.sample(voices[a], 2) if a == b else (rng.choice(voices[a]), rng.choice(voices[b]))
        yield f"{1 - i % 2} {enrol} {test}"


if __name__ == "__main__":
    main()
