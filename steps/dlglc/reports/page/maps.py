"""The part of the page on embeddings: a map in two dimensions, and the sizes of clusters."""

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from ...arrays import Array
from ...data.arks import read_some
from ...data.columns import Column
from ...data.tables import read_table
from ...errors import RecipeError
from ...vectors import unit_length
from ..records import systems_of
from ..session_signs import known_sessions
from ..truth import true_speakers
from .blocks import Block, Choice, Figure, Row, Section, Slider, Table, Text
from .drawing import INK, MARKERS, MUTED, POINTS, SERIES, canvas, legend_above, style_of, to_svg

MOST = 1000  # utterances of a map
NAMED = 12  # groups that have a colour and a marker of their own


class Sample(NamedTuple):
    """Some utterances of a system, and where they are on the map.

    Attributes:
        ids: their names.
        places: (N, 2).
        groups: name of a colouring → group of each utterance.
    """

    ids: list[str]
    places: Array
    groups: dict[str, list[str]]


def maps_section(exp_dir: Path, data: Path | None) -> Section:
    """The map of the last system that has embeddings and clusters, and the sizes of the clusters of all systems.

    Args:
        exp_dir: directory of the experiment.
        data: its data directory, for sessions and true speakers, if they are known.
    """
    blocks: list[Block] = []
    clustered = [system for system in systems_of(exp_dir) if (system / "clusters/utt2cluster").exists()]
    mapped = [system for system in clustered if (system / "train/embedding.scp").exists()]
    figures: list[Figure | Slider | Choice] = []
    if mapped:
        try:
            sample = take_sample(mapped[-1], data)
            if len(sample.ids) > 3:
                figures.append(map_choice(mapped[-1].name, sample))
        except RecipeError as error:
            blocks.append(Text(f"No map of the embeddings: {error}"))
    if clustered:
        figures.append(sizes_figure(clustered, data))
    if figures:
        blocks.append(Row(figures))
    return Section("embeddings", "Embeddings and clusters", blocks)


def take_sample(system: Path, data: Path | None, seed: int = 0) -> Sample:
    """Draw utterances of the training set and lay them out.

    t-SNE of scikit-learn, on the cosine distance of embeddings whose mean was subtracted. It starts from the principal
    components, so that the same embeddings give the same map.
    """
    clusters = read_table(system / "clusters/utt2cluster")

    def draw(ids: Column) -> Array:
        rng = np.random.default_rng(seed)
        chosen: Array = np.sort(rng.choice(len(ids), min(MOST, len(ids)), replace=False))
        return chosen

    names, points = read_some(system / "train/embedding.scp", draw)
    groups = {"cluster": [clusters.get(name, "none") for name in names]}
    sessions = known_sessions(data / "train", names) if data else None
    if sessions:
        groups["session"] = sessions
    speakers = true_speakers(data, "train")
    if speakers:
        groups["true speaker"] = [speakers.get(name, "unknown") for name in names]
    return Sample(names, lay_out(points, seed) if len(names) > 3 else np.zeros((len(names), 2)), groups)


def lay_out(points: Array, seed: int) -> Array:
    """(N, 2) places of (N, D) embeddings by t-SNE."""
    unit = unit_length(points - points.mean(0))
    unit = PCA(min(50, *unit.shape), random_state=seed).fit_transform(unit)
    perplexity = min(30.0, (len(unit) - 1) / 3)
    places: Array = TSNE(perplexity=perplexity, metric="cosine", init="pca", random_state=seed).fit_transform(unit)
    return places


def map_choice(system: str, sample: Sample) -> Choice:
    """The map, coloured in several ways."""
    drawn = {kind: map_figure(system, sample, kind) for kind in sample.groups}
    points = [
        f"{utt}: " + ", ".join(f"{kind} {groups[row]}" for kind, groups in sample.groups.items())
        for row, utt in enumerate(sample.ids)
    ]
    figures = {kind: figure for kind, (figure, _) in drawn.items()}
    return Choice(f"map-{system}", "Colours by", figures, points, {kind: order for kind, (_, order) in drawn.items()})


def map_figure(system: str, sample: Sample, kind: str) -> tuple[Figure, list[int]]:
    """The map with colours for the largest groups; also the numbers of the points in the order they are drawn."""
    groups = np.array(sample.groups[kind])
    sizes = Counter(groups.tolist())
    named = [name for name, count in sizes.most_common(NAMED) if count > 1]
    x, y = sample.places.T
    order: list[int] = []
    with canvas(4.4) as (figure, axes):
        axes.set(xlim=(x.min() - 2, x.max() + 2), ylim=(y.min() - 2, y.max() + 2))
        axes.set_axis_off()
        for place, name in enumerate([None, *named]):
            rows = np.flatnonzero(~np.isin(groups, named) if name is None else groups == name)
            order += rows.tolist()
            style: dict[str, Any] = {"marker": "o", "markersize": 2.5, "color": MUTED, "alpha": 0.6}
            if name is not None:
                second = (place - 1) // len(SERIES)
                style = {"marker": MARKERS[3 * second], "markersize": 5, "color": SERIES[(place - 1) % len(SERIES)]}
            axes.plot(x[rows], y[rows], linestyle="None", gid=POINTS, markeredgewidth=0, **style)
        svg = to_svg(figure, f"map-{system}-{kind.replace(' ', '-')}")
    rows_ = [[name, str(count), together(sample, groups == name)] for name, count in sizes.most_common(NAMED)]
    others = f", in grey the {len(sizes) - len(named)} others" if len(sizes) > len(named) else ""
    title = f"{len(groups)} utterances of the training set by {system}, coloured by {kind}"
    found = Figure(
        svg,
        title,
        f"A map on which utterances with similar embeddings are near each other. There are {len(sizes)} groups by "
        f"{kind}. The table below says how well each group holds together.",
        f"t-SNE by scikit-learn. In colour the {len(named)} largest groups{others}. Near points are similar; the "
        "distance of far ones means nothing. Point at a mark for its name.",
        Table([kind, "utterances here", "neighbours of the same group, %"], rows_, f"The largest groups by {kind}"),
    )
    return found, order


def together(sample: Sample, member: Array, neighbours: int = 5) -> str:
    """Percentage of the nearest neighbours on the map of a group's members that are in the group too."""
    count = min(neighbours, int(member.sum()) - 1)
    if count < 1:
        return "–"
    distance = ((sample.places[member, None] - sample.places[None]) ** 2).sum(-1)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, 1 : count + 1]
    return f"{100 * member[nearest].mean():.0f}"


def sizes_figure(systems: list[Path], data: Path | None) -> Figure:
    """Sizes of the clusters of DINO and of the last rounds, the largest first."""
    systems = [system for system in systems if system.name != "untrained"][-5:] or systems
    found = {system.name: sizes_of(read_table(system / "clusters/utt2cluster")) for system in systems}
    speakers = true_speakers(data, "train")
    if speakers:
        found["true speakers"] = sizes_of(speakers)
    with canvas() as (figure, axes):
        for place, (name, sizes) in enumerate(found.items()):
            style = (
                {"color": INK, "linestyle": ":"} if name == "true speakers" else {**style_of(place), "marker": "None"}
            )
            axes.plot(np.arange(1, len(sizes) + 1), sizes, label=name, drawstyle="steps-mid", **style)
        axes.set(xlabel="cluster, the largest first", ylabel="utterances", ylim=(0, None))
        legend_above(figure)
        svg = to_svg(figure, "sizes")
    rows = [
        [name, str(len(s)), str(s[0]), f"{np.median(s):g}", str(s[-1]), str(int((s == 1).sum()))]
        for name, s in found.items()
    ]
    said = "; ".join(f"{row[0]}: {row[1]} of {row[4]} to {row[2]} utterances" for row in rows)
    head = ["system", "clusters", "largest", "median", "smallest", "of one utterance"]
    title = "Sizes of the clusters"
    return Figure(svg, title, f"{title}. {said}.", table=Table(head, rows, title))


def sizes_of(table: dict[str, str]) -> Array:
    """Sizes of the groups of a table, the largest first."""
    return np.array(sorted(Counter(table.values()).values(), reverse=True))
