"""Embeddings and features in Kaldi's ark/scp, through kaldiio."""

import os
from pathlib import Path

import kaldiio
import numpy as np

from .cli import RecipeError
from .datadir import read_table


def write_embeddings(out_dir: str | Path, ids: list[str], matrix: np.ndarray, name: str = "embedding") -> Path:
    """Write float32 vectors as NAME.ark + NAME.scp, sorted by id; the scp appears last, so it is never half-made.

    Args:
        out_dir: directory, made when missing.
        ids: N utterance ids.
        matrix: (N, D) array.

    Returns:
        The path of the scp.
    """
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    scp = out_dir / f"{name}.scp"
    part = out_dir / f".{name}.scp.tmp"
    scp.unlink(missing_ok=True)
    matrix = np.asarray(matrix, dtype=np.float32)
    with kaldiio.WriteHelper(f"ark,scp:{out_dir / name}.ark,{part}") as writer:
        for i in sorted(range(len(ids)), key=ids.__getitem__):
            writer(ids[i], matrix[i])
    os.replace(part, scp)
    return scp


def read_embeddings(scp: str | Path) -> tuple[list[str], np.ndarray]:
    """Read an embedding scp.

    Returns:
        ids in the file's order, and their (N, D) float32 matrix.

    Raises:
        RecipeError: unreadable ark, vectors of different lengths, NaN or infinity, each by file and line.
    """
    table = read_table(scp)
    rows = []
    for number, (utt, where) in enumerate(table.items(), 1):
        try:
            row = kaldiio.load_mat(where)
        except Exception as error:  # kaldiio raises many kinds on a broken ark; all mean the same to the user
            raise RecipeError(f"{scp}:{number}: cannot read {where}: {error}; extract the embeddings again") from error
        if row.ndim != 1 or (rows and row.shape != rows[0].shape):
            raise RecipeError(
                f"{scp}:{number}: {utt} has shape {row.shape}, expected {rows[0].shape if rows else '(D,)'}"
            )
        rows.append(row)
    matrix = np.stack(rows).astype(np.float32, copy=False)
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(bad):
        raise RecipeError(f"{scp}:{bad[0] + 1}: the embedding of {list(table)[bad[0]]} holds NaN or infinity")
    return list(table), matrix


def rows_of(ids: list[str], wanted: list[str], ids_file: str | Path, wanted_file: str | Path) -> np.ndarray:
    """Row numbers in `ids` of each wanted id.

    Raises:
        RecipeError: names the first line of wanted_file whose id is unknown.
    """
    index = {utt: row for row, utt in enumerate(ids)}
    try:
        return np.fromiter((index[utt] for utt in wanted), dtype=np.int64, count=len(wanted))
    except KeyError as error:
        utt = error.args[0]
        raise RecipeError(
            f"{wanted_file}:{wanted.index(utt) + 1}: no embedding for '{utt}' in {ids_file}: "
            "extract it, or take the line out"
        ) from None
