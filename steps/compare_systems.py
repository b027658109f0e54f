#!/usr/bin/env python3
"""Compare the systems of several experiments that differ in their seed only: mean and spread, plot, significance.

Reads   EXP_DIR/<system>/{scores/*.json, scores/*, clusters/quality.json, gate_quality.jsonl, stamp.json}, one EXP_DIR
        per seed; with --utt2spk and --trials also the true speakers, to resample them.
Writes  OUT_DIR/RESULTS.md, OUT_DIR/results.json (the records of all seeds), OUT_DIR/eer.svg (EER of each variant by
        round); with --against one table for each name given there, of how the others differ from it. A variant's
        name ("lgl") stands for its rounds, each of which is compared with the others of its number, and their mean.

Differences are paired twice. Over seeds: mean difference of the seeds that both systems have, with Student's 95 %
interval. Over speakers: the systems' EERs under the same draws of evaluation speakers, averaged over seeds.

Example
    steps/compare_systems.py --trials data/mini/eval/trials --utt2spk data/mini/eval/utt2spk.truth --against lgl \\
        exp/mini-ablation exp/mini-ablation/seed0 exp/mini-ablation/seed1 exp/mini-ablation/seed2
"""

import functools
import json
from pathlib import Path

import matplotlib
import numpy as np
from libs import cli
from libs.bootstrap import bootstrap, interval
from libs.cli import RecipeError, log
from libs.datadir import read_table, read_trials, write_text
from libs.metrics import roc
from libs.results import describe_origin, read_experiment, variant_and_round
from libs.scores import read_scores
from scipy.stats import t as student

matplotlib.use("svg")  # no display is asked for
matplotlib.rcParams["svg.hashsalt"] = "dlg-lc"  # the same figures give the same file
from matplotlib import pyplot  # noqa: E402

BACKENDS = {"cosine": "cosine", "asnorm": "AS-norm", "plda": "PLDA"}


def main():
    parser = cli.parser(__doc__)
    parser.add_argument("--trials", type=Path, help="evaluation trials, to resample their speakers")
    parser.add_argument("--utt2spk", type=Path, help="their true speakers")
    parser.add_argument(
        "--against", action="append", default=[], metavar="NAME", help="system or variant to compare with"
    )
    parser.add_argument("--draws", type=int, default=1000, help="of speakers (default: 1000)")
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("exp_dir", type=Path, nargs="+")
    args = parser.parse_args()
    if bool(args.trials) != bool(args.utt2spk):
        raise RecipeError("--trials and --utt2spk belong together: give both or none")

    found: dict[tuple[str, str], dict[Path, dict]] = {}
    for exp_dir in args.exp_dir:
        for record in read_experiment(exp_dir):
            found.setdefault((record["system"], record["backend"]), {})[exp_dir] = record
    systems = list(dict.fromkeys(system for system, _ in found))
    against = {name: pairs(systems, name) for name in args.against}
    unknown = next((name for name, groups in against.items() if not groups), None)
    if unknown:
        raise RecipeError(
            f"--against {unknown}: nothing to compare so in {args.exp_dir[0]}: there are {', '.join(systems)}"
        )
    args.out_dir.mkdir(parents=True, exist_ok=True)
    records = [record for group in found.values() for record in group.values()]
    write_text(args.out_dir / "results.json", json.dumps(records, indent=1) + "\n")
    plot(found, args.out_dir / "eer.svg")
    seeds = len({record["seed"] for record in records} - {None})
    parts = [
        f"# Results of {args.out_dir}",
        f"{seeds} seeds; mean ± standard deviation (n - 1). {describe_origin()} Labels and trials serve "
        "this report only. Kept and corrected: share of the labels in the last epoch and, in brackets, how many of "
        "them were right by the true speakers, in percent; for corrected ones before → after.",
        overview(found, systems),
        "![EER by round](eer.svg)",
    ]
    for reference, groups in against.items():
        log.info("comparing with %s", reference)
        title = reference if reference in systems else f"{reference}, round by round"
        parts += [f"## Difference to {title}", differences(found, groups, args)]
    write_text(args.out_dir / "RESULTS.md", "\n\n".join(parts) + "\n")
    print(parts[2])


def overview(found: dict, systems: list[str]) -> str:
    """The table of all systems."""
    head = ["system", *(f"EER % {name}" for name in BACKENDS.values()), "minDCF 0.05 cosine", "minDCF 0.05 PLDA"]
    head += ["NMI", "purity", "kept %", "corrected %", "seeds"]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for system in systems:
        groups = {backend: list(found.get((system, backend), {}).values()) for backend in BACKENDS}
        any_backend = next(group for group in groups.values() if group)
        row = [system, *(spread([r["eer"] for r in groups[b]], 2) for b in BACKENDS)]
        row += [spread([r["mindcf_0.05"] for r in groups[b]], 3) for b in ("cosine", "plda")]
        row += [spread([r[key] for r in any_backend], 3) for key in ("nmi", "purity")]
        gates = [r["gate"] for r in any_backend if r["gate"]]
        row += [gate_cell(gates, "kept", ["kept_right"])]
        row += [gate_cell(gates, "corrected", ["corrected_right_before", "corrected_right"])]
        rows.append([*row, str(len(any_backend))])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def spread(values: list, digits: int) -> str:
    """Mean ± standard deviation of the values that are there."""
    values = [v for v in values if v is not None]
    if not values:
        return "–"
    deviation = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{deviation}"


def gate_cell(gates: list[dict], share: str, precisions: list[str]) -> str:
    """A share in percent with its precisions in brackets, means over seeds."""
    if not gates or not any(gate[share] for gate in gates):
        return "–"
    means = [np.mean([gate[key] for gate in gates if gate[key] is not None]) for key in precisions]
    return f"{100 * np.mean([gate[share] for gate in gates]):.0f} ({' → '.join(f'{100 * m:.0f}' for m in means)})"


def pairs(systems: list[str], reference: str) -> dict[str, list[tuple[str, str]]]:
    """What is compared with a system or a variant: rows by name, each the mean over (system, its reference)."""
    if reference in systems:
        return {system: [(system, reference)] for system in systems if system != reference}
    rows: dict[str, list[tuple[str, str]]] = {}
    variants: dict[str, list[tuple[str, str]]] = {}
    for system in systems:
        variant, number = variant_and_round(system)
        if number and variant != reference and f"{reference}{number}" in systems:
            pair = (system, f"{reference}{number}")
            rows[system] = [pair]
            variants.setdefault(variant, []).append(pair)
    means = {f"{variant}, mean of {len(group)} rounds": group for variant, group in variants.items() if len(group) > 1}
    return rows | means


def differences(found: dict, rows: dict[str, list[tuple[str, str]]], args) -> str:
    """How each row's EER differs from its references', with both intervals."""
    table = [
        "| system | back-end | EER less | relative % | 95 % over seeds | 95 % over speakers | share of draws above |"
    ]
    table.append("|---|---|---:|---:|---:|---:|---:|")
    for name, row in rows.items():
        for backend, title in BACKENDS.items():
            groups = [found.get((system, backend), {}) for pair in row for system in pair]
            common = [exp_dir for exp_dir in groups[0] if all(exp_dir in group for group in groups)]
            if not common:
                continue
            eers = np.array([[group[exp_dir]["eer"] for exp_dir in common] for group in groups])
            ours, theirs = eers[0::2].mean(0), eers[1::2].mean(0)
            drawn = speaker_draws(common, row, backend, args) if args.trials else None
            table.append(
                f"| {name} | {title} | {np.mean(ours - theirs):+.2f} | "
                f"{100 * np.mean(ours - theirs) / np.mean(theirs):+.1f} | {cell(student_interval(ours - theirs))} | "
                f"{cell(drawn and interval(drawn))} | {f'{np.mean(np.array(drawn) > 0):.3f}' if drawn else '–'} |"
            )
    return "\n".join(table)


def student_interval(values: np.ndarray) -> list[float] | None:
    """95 % interval of the mean of normal values, None of a single one."""
    if len(values) < 2:
        return None
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return [values.mean() - half, values.mean() + half]


def cell(bounds: list[float] | None) -> str:
    return "–" if bounds is None else f"{bounds[0]:+.2f} … {bounds[1]:+.2f}"


def speaker_draws(exp_dirs: list[Path], row: list[tuple[str, str]], backend: str, args) -> list[float]:
    """EER of systems less their references', mean of pairs and experiments, under each draw of evaluation speakers."""
    ours, theirs = (
        [
            eer_draws(e / name / "scores" / backend, args.trials, args.utt2spk, args.draws)
            for e in exp_dirs
            for name in side
        ]
        for side in zip(*row)
    )
    return (np.array(ours) - np.array(theirs)).mean(0).tolist()


@functools.cache  # a system is compared with several, under the same draws
def eer_draws(scores: Path, trials: Path, utt2spk: Path, draws: int) -> np.ndarray:
    """(draws,) EER in percent of a score file; draw k is of the same speakers for every file on these trials."""
    enrol, test, target = read_trials(trials)
    table = read_table(utt2spk)
    speakers = [np.array([table[utt] for utt in side]) for side in (enrol, test)]
    curve = roc(read_scores(scores, enrol, test, trials), np.array(target))
    return bootstrap([curve], *speakers, (), 1.0, 1.0, draws, 0)[0, :, 0]


def plot(found: dict, path: Path) -> None:
    """EER of cosine and PLDA by round, one line per variant; systems without a second round as levels."""
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for axis, backend in zip(axes, ("cosine", "plda")):
        variants: dict[str, dict[int, list[float]]] = {}
        for (system, which), group in found.items():
            if which == backend and system != "untrained":
                variant, number = variant_and_round(system)
                variants.setdefault(variant, {})[number] = [r["eer"] for r in group.values()]
        levels = {name: rounds for name, rounds in variants.items() if len(rounds) == 1}
        lines = {name: rounds for name, rounds in variants.items() if len(rounds) > 1}
        for name, rounds in levels.items():
            level = np.mean(list(rounds.values()))
            axis.axhline(level, linestyle=":", color="grey", linewidth=1)
            axis.annotate(name, (1, level), (-2, 2), ("axes fraction", "data"), "offset points", fontsize=7, ha="right")
        for place, (name, rounds) in enumerate(lines.items()):
            means = [np.mean(v) for v in rounds.values()]
            errors = [np.std(v, ddof=1) if len(v) > 1 else 0 for v in rounds.values()]
            beside = 0.06 * (place - (len(lines) - 1) / 2)  # error bars of one round, side by side
            at = np.array(list(rounds)) + beside
            axis.errorbar(at, means, errors, marker="o", capsize=3, linewidth=1.2, label=name)
        axis.set(title=BACKENDS[backend], xlabel="round", ylabel="EER %")
        axis.xaxis.get_major_locator().set_params(integer=True)
        if lines:
            axis.legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    cli.run(main)
