"""The part of the page on results: error rates and clusters by round, as figures and as a table."""

from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..records import BACKENDS, read_figures, systems_of, variant_and_round
from ..unlabelled import COLUMNS, EXPLANATION, cell, shares_of
from .blocks import Block, Facts, Figure, Row, Section, Table, Text
from .drawing import canvas, legend_above, style_of, to_svg

INTERVALS = (
    "The bars are 95 % intervals: they say how far the rate could move with other evaluation speakers. "
    "They do not say how far it moves with another seed."
)


def outcome_section(exp_dir: Path, records: list[dict[str, Any]], stale: dict[str, str]) -> Section:
    """Results by round and back-end; what is known without labels if there are no trials.

    Args:
        exp_dir: directory of the experiment.
        records: from records.read_experiment.
        stale: from records.stale_scores.
    """
    blocks: list[Block] = []
    main = [record for record in records if record["backend"] in BACKENDS]
    if main:
        blocks.append(Facts(facts(main)))
    figures = [figure for variant in variants(main) for figure in round_figures(main, variant)]
    if figures:
        blocks.append(Row(list(figures)))
        if any("eer_ci" in record for record in main):
            blocks.append(Text(INTERVALS))
    if records:
        blocks.append(results_table(records))
    if stale:
        rows = [[name, reason] for name, reason in stale.items()]
        blocks.append(
            Table(["scores", "what has changed"], rows, "Left out, because something before them has changed", 1, True)
        )
    blocks += unlabelled_blocks(exp_dir)
    return Section("results", "Results", blocks)


def facts(records: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The best back-end of the last system, beside DINO's."""
    last = records[-1]["system"]
    best = min((record for record in records if record["system"] == last), key=lambda record: float(record["eer"]))
    found = [(f"{best['eer']:.2f} %", f"EER of {last} by {BACKENDS[best['backend']]}")]
    dino = next((r for r in records if (r["system"], r["backend"]) == ("dino", best["backend"])), None)
    if dino and last != "dino":
        found.append((f"{dino['eer']:.2f} %", f"EER of dino by {BACKENDS[best['backend']]}"))
    found.append((f"{best['mindcf_0.05']:.3f}", f"minDCF at 0.05 of {last} by {BACKENDS[best['backend']]}"))
    if best["nmi"] is not None:
        found.append((f"{best['nmi']:.3f}", f"NMI of {last}'s clusters"))
    trained = {record["system"]: record["train_seconds"] for record in records}
    return [*found, (f"{sum(trained.values()) / 60:.0f} min", "of training")]


def variants(records: list[dict[str, Any]]) -> list[str]:
    """Names of the systems that have rounds, in their order."""
    found = (variant_and_round(record["system"]) for record in records)
    return list(dict.fromkeys(variant for variant, number in found if number))


def steps_of(records: list[dict[str, Any]], variant: str) -> list[str]:
    """DINO and the rounds of a variant: the systems along the x axis."""
    systems = dict.fromkeys(record["system"] for record in records)
    return [name for name in systems if name == "dino" or (variant_and_round(name)[0] == variant and name != variant)]


def round_figures(records: list[dict[str, Any]], variant: str) -> list[Figure]:
    """EER of each back-end, and NMI and purity of the clusters, by round of a variant."""
    systems = steps_of(records, variant)
    lines = {
        title: [next((r for r in records if (r["system"], r["backend"]) == (name, backend)), None) for name in systems]
        for backend, title in BACKENDS.items()
    }
    lines = {title: found for title, found in lines.items() if any(found)}
    rates = {title: [r["eer"] if r else None for r in found] for title, found in lines.items()}
    bounds = {title: [r.get("eer_ci") if r else None for r in found] for title, found in lines.items()}
    rows = [[name, *(with_interval(rates[t][i], bounds[t][i]) for t in lines)] for i, name in enumerate(systems)]
    first = Figure(
        step_plot(f"eer-{variant}", systems, rates, "EER, %", bounds),
        f"Equal error rate by round{of(variant)}",
        f"EER in percent from {systems[0]} to {systems[-1]}. " + "; ".join(f"{t}: {path(v)}" for t, v in rates.items()),
        table=Table(["system", *lines], rows, "EER in percent, with its 95 % interval"),
    )
    one = [next(r for r in records if r["system"] == name) for name in systems]
    quality = {title: [r[key] for r in one] for key, title in (("nmi", "NMI"), ("purity", "purity"))}
    if not any(value is not None for values in quality.values() for value in values):
        return [first]
    rows = [[name, *(cell(quality[t][i], 3) for t in quality)] for i, name in enumerate(systems)]
    second = Figure(
        step_plot(f"nmi-{variant}", systems, quality, "0 to 1"),
        f"Clusters and true speakers by round{of(variant)}",
        f"Agreement of clusters with true speakers. {'; '.join(f'{t}: {path(v, 3)}' for t, v in quality.items())}",
        "NMI is 1 if the clusters are the speakers. Purity is the share of utterances whose speaker is the most "
        "frequent one of their cluster. True speakers serve this report only.",
        Table(["system", *quality], rows, "Agreement of clusters with the true speakers"),
    )
    return [first, second]


def of(variant: str) -> str:
    """Names the variant in a title, unless it is the usual one."""
    return "" if variant == "round" else f" ({variant})"


def step_plot(
    key: str, steps: list[str], lines: dict[str, list[Any]], y: str, bounds: dict[str, list[Any]] | None = None
) -> Markup:
    """Lines over systems, with bars for intervals. None = no value."""
    with canvas() as (figure, axes):
        for place, (name, values) in enumerate(lines.items()):
            at = [i for i, value in enumerate(values) if value is not None]
            shift = 0.05 * (place - (len(lines) - 1) / 2)  # bars stand side by side
            axes.plot([i + shift for i in at], [values[i] for i in at], label=name, **style_of(place))
            for i in at:
                bound = bounds[name][i] if bounds else None
                if bound:
                    axes.plot([i + shift] * 2, bound, color=style_of(place)["color"], linewidth=1.2, alpha=0.8)
        axes.set_xticks(range(len(steps)), steps, rotation=30 if len(steps) > 5 else 0)
        present = [value for values in lines.values() for value in values if value is not None]
        highest = max([*present, *(bound[1] for found in (bounds or {}).values() for bound in found if bound)])
        axes.set(ylabel=y, ylim=(min(0, *present), 1.08 * highest))
        legend_above(figure)
        return to_svg(figure, key)


def results_table(records: list[dict[str, Any]]) -> Table:
    """All systems and back-ends."""
    drawn = ["95 % interval"] if any("eer_ci" in r for r in records) else []
    head = ["system", "back-end", "EER %", *drawn, "minDCF 0.01", "minDCF 0.05", "NMI", "purity", "clusters"]
    rows = []
    for r in records:
        bound = r.get("eer_ci")
        row = [r["system"], BACKENDS.get(r["backend"], r["backend"]), f"{r['eer']:.2f}"]
        row += [f"{bound[0]:.2f} to {bound[1]:.2f}" if bound else "–"] if drawn else []
        row += [cell(r.get(key), 3) for key in ("mindcf_0.01", "mindcf_0.05", "nmi", "purity")]
        rows.append([*row, "–" if r["num_clusters"] is None else str(r["num_clusters"])])
    return Table(head, rows, "All systems and back-ends. Lower EER and minDCF are better, higher NMI and purity", 2)


def unlabelled_blocks(exp_dir: Path) -> list[Block]:
    """What is known without labels: figures by round, a table, what the columns mean."""
    files = {system: system / "clusters/unlabelled.json" for system in systems_of(exp_dir)}
    found = {system: read_figures(file, (), ("seed_agreement",)) for system, file in files.items()}
    found = {system: {**figures, **shares_of(system)} for system, figures in found.items() if figures}
    if not found:
        return []
    rows = [[system.name, *(cell(figures.get(key)) for key in COLUMNS)] for system, figures in found.items()]
    names = [system.name for system in found if system.name != "untrained"]
    lines = {
        title: [figures.get(key) for system, figures in found.items() if system.name != "untrained"]
        for key, title in (("seed_agreement", "agreement between seeds"), ("silhouette", "silhouette"))
    }
    blocks: list[Block] = []
    if len(names) > 1:
        alt = f"Stability of the clusters. {'; '.join(f'{t}: {path(v, 2)}' for t, v in lines.items())}"
        blocks.append(Figure(step_plot("stability", names, lines, "0 to 1"), "Stability of clusters by round", alt))
    blocks.append(Table(["system", *COLUMNS.values()], rows, "What is known without labels"))
    return blocks + [Text(text.replace("**", "").replace("`", "").lstrip("- ")) for text in paragraphs(EXPLANATION)]


def paragraphs(text: str) -> list[str]:
    """The paragraphs and list items of a Markdown text."""
    lines = text.replace("\n- ", "\n\n- ").split("\n\n")
    return [" ".join(line.split()) for line in lines]


def with_interval(value: float | None, bound: list[float] | None) -> str:
    """A rate with its interval in brackets."""
    return cell(value, 2) + (f" ({bound[0]:.2f} to {bound[1]:.2f})" if bound else "")


def path(values: list[float | None], digits: int = 2) -> str:
    """The values in words: "9.20, 4.10, 3.00"."""
    return ", ".join("none" if value is None else f"{value:.{digits}f}" for value in values)
