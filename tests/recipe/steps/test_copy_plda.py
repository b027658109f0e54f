"""copy_plda: from .npz to Kaldi's files and back."""

import numpy as np

from dlglc.scoring.plda import load_plda, save_plda, train_plda


def test_there_and_back(script, tmp_path):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(30), 6)
    x = rng.normal(size=(30, 7))[labels] + 0.7 * rng.normal(size=(180, 7)) + 2
    save_plda(tmp_path / "a.npz", train_plda(x, labels, 5, 2, 5)[0])
    done = script("steps/copy_plda.py", tmp_path / "a.npz", tmp_path / "kaldi")
    assert "7 to 5 dimensions" in done.stdout
    script("steps/copy_plda.py", tmp_path / "kaldi", tmp_path / "b.npz")
    there, back = (vars(load_plda(tmp_path / name)) for name in ("a.npz", "b.npz"))
    for name in there:
        np.testing.assert_allclose(there[name], back[name], atol=1e-12)
