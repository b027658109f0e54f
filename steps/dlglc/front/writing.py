"""Embeddings as files: npz, parquet, or Kaldi's ark and scp."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ..arrays import Array
from ..bundles.container import pack_arrays
from ..errors import RecipeError
from ..files import whole_file
from ..locks import only_process
from .model import Heard

Columns = dict[str, Array]
Writer = Callable[[Path, Columns, str], None]


def write_npz(path: Path, columns: Columns, bundle: str) -> None:
    """All columns as arrays, and `bundle`, the id of the bundle."""
    with whole_file(path) as file:
        file.write(pack_arrays({"bundle": np.array(bundle), **columns}))


def write_parquet(path: Path, columns: Columns, bundle: str) -> None:
    """A row for each recording. The id of the bundle is in the metadata of the schema."""
    import pyarrow
    from pyarrow import parquet

    plain = {name: pyarrow.array(list(column)) for name, column in columns.items()}
    table = pyarrow.table(plain).replace_schema_metadata({"bundle": bundle})
    with whole_file(path) as file:
        parquet.write_table(table, file)


def write_ark(path: Path, columns: Columns, bundle: str) -> None:
    """PATH/embedding.{ark,scp}."""
    from ..data.arks import write_embeddings

    with only_process(path, wait=True):
        write_embeddings(path, columns["ids"].tolist(), columns["embeddings"])


def check_form(path: Path) -> Writer:
    """The writer for a path, by its ending. A package that it needs is looked for now, before anything long starts.

    Raises:
        RecipeError: the ending is of no known form, or a package is missing.
    """
    writers: dict[str, tuple[Writer, str]] = {".npz": (write_npz, "numpy"), ".parquet": (write_parquet, "pyarrow")}
    known = writers.get(path.suffix)
    if known is None and path.suffix and not path.is_dir():
        raise RecipeError(f"{path}: expected NAME.npz, NAME.parquet, or a folder (a name without an ending)")
    writer, package = known or (write_ark, "kaldiio")
    try:
        __import__(package)
    except ImportError:
        raise RecipeError(
            f"{path}: the Python package {package} writes this, and is missing: pip install {package}"
        ) from None
    return writer


def write_heard(write: Writer, path: Path, found: Mapping[str, Heard], bundle: str) -> None:
    """Write embeddings.

    Args:
        write: from check_form.
        found: id → recording.
        bundle: id of the bundle.
    """
    heard = found.values()
    columns = {
        "ids": np.array(list(found)),
        "embeddings": np.stack([one.embedding for one in heard]),
        "seconds": np.array([one.seconds for one in heard]),
        "speech": np.array([one.speech for one in heard]),
    }
    write(path, columns, bundle)
