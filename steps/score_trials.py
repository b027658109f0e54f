#!/usr/bin/env python3
"""Scores of verification trials by cosine or PLDA. With a cohort, the scores are normalised (AS-norm or S-norm).

Reads   TRIALS (`enrol test target|nontarget` lines; the third column is not used), EMBEDDING_SCP.
Writes  SCORES, `enrol test score` lines in the order of TRIALS. Scores of PLDA are log-likelihood ratios.

Enrolment ids are looked up in EMBEDDING_SCP, or in --enrol if it is given. With --enrol-utts, an enrolment id is a
model of one or more utterances. Cosine scoring then takes their mean direction. PLDA scoring does what plda_enrolment
in conf/backend.yaml says.

Example
    steps/score_trials.py --backend cosine --mean-from exp/mini/dino/train/embedding.scp \\
        data/mini/eval/trials exp/mini/dino/eval/embedding.scp exp/mini/dino/scores/cosine
"""

from pathlib import Path

from dlglc import console
from dlglc.errors import RecipeError
from dlglc.scoring.trials import ScoringFiles, score_trials
from dlglc.settings import add_settings_options, settings_of
from dlglc.settings.schema import BackendSettings


def main() -> None:
    parser = console.parser(__doc__)
    add_settings_options(parser, "backend")
    parser.add_argument("--backend", choices=["cosine", "plda"], default="cosine", help="(default: cosine)")
    parser.add_argument("--mean-from", type=Path, metavar="SCP", help="cosine: subtract the mean of these embeddings")
    parser.add_argument("--plda", type=Path, metavar="NPZ", help="plda: the model from train_plda.py")
    parser.add_argument("--cohort", type=Path, metavar="SCP", help="normalise scores against these embeddings")
    parser.add_argument(
        "--cohort-clusters", type=Path, metavar="UTT2CLUSTER", help="clusters of the cohort, for `cohort: clusters`"
    )
    parser.add_argument(
        "--top-n", type=int, help="cohort members that count, instead of the setting top_n; 0 = all (S-norm)"
    )
    parser.add_argument("--enrol", type=Path, metavar="SCP", help="embeddings of the enrolment side")
    parser.add_argument("--enrol-utts", type=Path, metavar="SPK2UTT", help="`model utt1 utt2 …`, the enrolled models")
    parser.add_argument("trials", type=Path)
    parser.add_argument("embedding_scp", type=Path)
    parser.add_argument("scores", type=Path)
    args = parser.parse_args()

    if args.top_n is not None:
        args.set.append(f"top_n={args.top_n}")
    settings = settings_of(BackendSettings, args)
    if args.backend == "plda" and args.plda is None:
        raise RecipeError("--backend plda needs --plda MODEL: train it with steps/train_plda.py")
    files = ScoringFiles(
        trials=args.trials,
        embeddings=args.embedding_scp,
        mean_from=args.mean_from,
        plda=args.plda if args.backend == "plda" else None,
        cohort=args.cohort,
        cohort_clusters=args.cohort_clusters,
        enrol=args.enrol,
        enrol_utts=args.enrol_utts,
    )
    score_trials(files, settings, args.scores)


if __name__ == "__main__":
    console.run(main)
