"""The true speakers of a data directory, for reports only."""

from pathlib import Path

from ..data.tables import read_table


def true_speakers(data: Path | None, part: str) -> dict[str, str]:
    """True speaker of each utterance, from DATA/PART/utt2spk.truth. Empty if they are not known.

    Args:
        data: data directory of the experiment, or None.
        part: train or eval.
    """
    file = data / part / "utt2spk.truth" if data else None
    return read_table(file) if file and file.exists() else {}
