#!/usr/bin/env python3
"""Measure who-is-who with a bundle on files of known speakers: groups of files, and who spoke when.

Reads   BUNDLE, DATA_DIR/{wav.scp, utt2spk}; paths may be relative to DATA_DIR or to its parent.
Prints  for several numbers of voices, over 30 drawn folders: median and 10 to 90 % of the voices found, how often the
        number is right, and the share of files in a wrong group. Then for made conversations: voices found and the
        diarisation error rate, without overlap, and where 30 % of the turns begin before the other speaker ends. They
        need files at 16 kHz.

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
from support.conversations import diarisation_error, make_conversation, overlapped

STRICT, LOOSE = 0.01, 0.05
DRAWS = 30  # folders


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
    for voices, each in ((1, 20), (2, 10), (4, 10), (8, 10), (20, 8)):
        results = [measure_groups(model, draw(speech, voices, each, seed), known) for seed in range(DRAWS)]
        found, errors = np.array([result[0] for result in results]), np.array([result[1] for result in results])
        low, middle, high = np.quantile(found, (0.1, 0.5, 0.9))
        right = 100 * np.mean(found == voices)
        print(
            f"{voices} voices: {middle:.0f} found ({low:.0f} to {high:.0f}), right number {right:.0f} %, "
            f"wrong group {100 * errors.mean():.0f} %",
            flush=True,
        )
    for overlap in (0.0, 0.3):
        for voices, each in ((1, 10), (2, 10), (3, 8), (4, 8)):
            rates: dict[str, list[float]] = {}
            counts = []
            for seed in (1, 2, 3):
                samples, truth = make_conversation(draw(speech, voices, each, 100 * voices + seed), seed, overlap)
                turns = find_turns(model, samples, LOOSE)
                counts.append(len({turn.voice for turn in turns}))
                for name, share in {**diarisation_error(truth, turns), "overlapped": overlapped(truth)}.items():
                    rates.setdefault(name, []).append(100 * share)
            said = ", ".join(f"{name} {np.mean(values):.1f} %" for name, values in rates.items())
            print(
                f"conversations of {voices} voices, {overlap:.0%} of the turns overlap: {counts} found, {said}",
                flush=True,
            )


def draw(speech: dict[str, list[Path]], voices: int, each: int, seed: int) -> list[list[Path]]:
    """Files of some speakers who have enough of them."""
    rng = np.random.default_rng(seed)
    able = [speaker for speaker in sorted(speech) if len(speech[speaker]) >= each]
    chosen = [able[i] for i in rng.permutation(len(able))[:voices]]
    return [[speech[speaker][i] for i in rng.permutation(len(speech[speaker]))[:each]] for speaker in chosen]


def measure_groups(model: Model, drawn: list[list[Path]], known: dict[Path, Array]) -> tuple[int, float]:
    """Voices found, and the share of files in a wrong group."""
    for path in (path for paths in drawn for path in paths if path not in known):
        known[path] = model.embed(path)
    embeddings = np.stack([known[path] for paths in drawn for path in paths])
    truth = np.repeat(np.arange(len(drawn)), [len(paths) for paths in drawn])
    limits = [model.decision.threshold(rate) for rate in (STRICT, LOOSE)]
    found = group_voices(model.scorer, embeddings, *limits).voices
    table = np.zeros((found.max() + 1, len(drawn)))
    np.add.at(table, (found, truth), 1)
    return int(found.max()) + 1, float(1 - table[linear_sum_assignment(-table)].sum() / len(found))


if __name__ == "__main__":
    main()
