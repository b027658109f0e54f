#!/usr/bin/env python3
"""Measure who-is-who with a bundle on files of known speakers: groups of files, and who spoke when.

Reads   BUNDLE, DATA_DIR/{wav.scp, utt2spk}; paths may be relative to DATA_DIR or to its parent.
Prints  for several numbers of voices: voices found and share of files in a wrong group, for seeds 1 to 3. Then for made
        conversations of 2, 3 and 4 voices: voices found and the diarisation error rate. They need files at 16 kHz.

Example
    PYTHONPATH=steps:tests tests/bench/voices.py bundle.dlglc /corpora/librispeech/eval
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

import dlglc
from dlglc.arrays import Array
from dlglc.data.tables import read_table
from dlglc.front.grouping import group_voices
from dlglc.front.model import Model
from dlglc.front.turns import find_turns
from support.conversations import diarisation_error, make_conversation

STRICT, LOOSE = 0.01, 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data_dir", type=Path)
    args = parser.parse_args()
    model = dlglc.load(args.bundle)
    files, speakers = read_table(args.data_dir / "wav.scp"), read_table(args.data_dir / "utt2spk")
    speech: dict[str, list[Path]] = {}
    for utt, speaker in speakers.items():
        path = args.data_dir / files[utt]
        speech.setdefault(speaker, []).append(path if path.exists() else args.data_dir.parent / files[utt])
    known: dict[Path, Array] = {}
    for voices, each in ((1, 20), (2, 10), (4, 10), (8, 10), (20, 8), (30, 6)):
        results = [measure_groups(model, draw(speech, voices, each, seed), known) for seed in (1, 2, 3)]
        said = ", ".join(f"{found} found, {100 * error:.0f} % wrong" for found, error in results)
        print(f"{voices} voices, {voices * each} files: {said}", flush=True)
    for voices, each in ((2, 10), (3, 8), (4, 8)):
        samples, truth = make_conversation(draw(speech, voices, each, voices + 10), voices)
        turns = find_turns(model, samples, LOOSE)
        rates = ", ".join(f"{name} {100 * share:.1f} %" for name, share in diarisation_error(truth, turns).items())
        found = len({turn.voice for turn in turns})
        print(f"conversation of {voices} voices, {len(samples) / 16000:.0f} s: {found} found, {rates}", flush=True)


def draw(speech: dict[str, list[Path]], voices: int, each: int, seed: int) -> list[list[Path]]:
    """Files of some speakers who have enough of them."""
    rng = np.random.default_rng(seed)
    able = [speaker for speaker in sorted(speech) if len(speech[speaker]) >= each]
    chosen = [able[i] for i in rng.permutation(len(able))[:voices]]
    if seed > 10:  # conversations take the first ones
        return [speech[speaker][:each] for speaker in chosen]
    return [[speech[speaker][i] for i in rng.permutation(len(speech[speaker]))[:each]] for speaker in chosen]


def measure_groups(model: Model, drawn: list[list[Path]], known: dict[Path, Array]) -> tuple[int, float]:
    """Voices found, and the share of files in a wrong group."""
    for path in (path for paths in drawn for path in paths if path not in known):
        known[path] = model.embed(path)
    embeddings = np.stack([known[path] for paths in drawn for path in paths])
    truth = np.repeat(np.arange(len(drawn)), len(drawn[0]))
    limits = [model.decision.threshold(rate) for rate in (STRICT, LOOSE)]
    found = group_voices(model.scorer, embeddings, *limits).voices
    table = np.zeros((found.max() + 1, len(drawn)))
    np.add.at(table, (found, truth), 1)
    return int(found.max()) + 1, float(1 - table[linear_sum_assignment(-table)].sum() / len(found))


if __name__ == "__main__":
    main()
