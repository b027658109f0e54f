"""The true speakers, where they are known."""

from dlglc.data.tables import write_table
from dlglc.reports.truth import true_speakers


def test_true_speakers(tmp_path):
    assert true_speakers(None, "train") == true_speakers(tmp_path, "train") == {}
    write_table(tmp_path / "train/utt2spk.truth", {"u1": "a", "u2": "b"})
    assert true_speakers(tmp_path, "train") == {"u1": "a", "u2": "b"}
    assert true_speakers(tmp_path, "eval") == {}
