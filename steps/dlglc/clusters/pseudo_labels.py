"""Pseudo labels of a data directory, from its embeddings (steps/cluster.py)."""

import json
from pathlib import Path

import numpy as np

from ..arrays import Array
from ..console import log
from ..data.arks import read_embeddings, write_embeddings
from ..data.tables import write_table
from ..errors import RecipeError
from ..files import write_text
from ..locks import only_process
from ..provenance import Stamp
from ..settings.schema import ClusterSettings
from ..training.distributed import Processes
from .kmeans import Clustering
from .proposal import propose_num_clusters
from .search import cluster_embeddings
from .sizes import size_warnings


def make_pseudo_labels(embedding_scp: Path, out_dir: Path, settings: ClusterSettings, seed: int, device: str) -> None:
    """Cluster embeddings and write utt2cluster, the centroids and a summary.

    Args:
        embedding_scp: N embeddings.
        out_dir: where the output goes.
        settings: of conf/cluster.yaml.
        seed: of the starting points.
        device: auto, cpu or cuda.

    Raises:
        RecipeError: more clusters than utterances; doubtful sizes of clusters, with stop_on_bad_sizes.
    """
    ids, points = read_embeddings(embedding_scp)
    asked = settings
    where = Processes(device).device
    if settings.num_clusters == 0:
        proposal = propose_num_clusters(points, settings, seed, where)
        log.info("num_clusters: 0: %d clusters are proposed for %d utterances", proposal, len(ids))
        settings = settings.model_copy(update={"num_clusters": proposal})
    most = max(settings.num_clusters, settings.ahc_from)
    if most > len(ids):
        raise RecipeError(
            f"{embedding_scp}: {most} clusters of {len(ids)} utterances: choose --num-clusters (and ahc_from) "
            f"between 2 and {len(ids)}, about as many as you expect speakers"
        )
    found = cluster_embeddings(points, settings, seed, where)
    sizes = np.bincount(found.labels)
    log.info(
        "%d clusters of %d utterances: objective %.4f after %d iterations, sizes %d to %d, %d empty ones repaired",
        len(sizes), len(ids), found.objective, found.iterations, sizes.min(), sizes.max(), found.repaired,
    )  # fmt: skip
    for warning in size_warnings(sizes, settings.num_clusters):
        if settings.stop_on_bad_sizes:
            raise RecipeError(f"{embedding_scp}: {warning}; with stop_on_bad_sizes: false this is only a warning")
        log.info("clusters: %s", warning)
    outputs = [out_dir / name for name in ("utt2cluster", "centroids.ark", "centroids.scp", "cluster.json")]
    stamp = Stamp(out_dir / "stamp.json", {"cluster": asked, "seed": seed}, [embedding_scp], outputs)
    with only_process(out_dir, wait=True):
        stamp.clear()
        write_clusters(out_dir, ids, found, sizes, seed)
        stamp.write()


def write_clusters(out_dir: Path, ids: list[str], found: Clustering, sizes: Array, seed: int) -> None:
    """Write the centroids, the summary and, last, the labels."""
    out_dir.mkdir(parents=True, exist_ok=True)
    write_embeddings(out_dir, [f"{c:06d}" for c in range(len(found.centroids))], found.centroids, "centroids")
    summary = {
        "num_clusters": len(sizes),
        "objective": found.objective,
        "iterations": found.iterations,
        "repaired": found.repaired,
        "smallest": int(sizes.min()),
        "median": float(np.median(sizes)),
        "largest": int(sizes.max()),
        "seed": seed,
    }
    write_text(out_dir / "cluster.json", json.dumps(summary) + "\n")
    write_table(out_dir / "utt2cluster", dict(zip(ids, found.labels.tolist())))
