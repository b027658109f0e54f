"""Outputs that do not belong to the files beside them."""

import json

import pytest

from dlglc.provenance import Stamp
from dlglc.reports.staleness import inputs_of, outdated, reasons, records_of
from dlglc.scoring.trials import stamp_of_scores


@pytest.fixture(autouse=True)
def fresh():
    """What was found of a file is kept while a report is made, not from one to the next."""
    reasons.cache_clear()


@pytest.fixture
def system(tmp_path):
    """A system whose PLDA was trained on clusters, and its scores."""
    for name in ("clusters/utt2cluster", "plda.npz", "scores/plda", "scores/cosine", "model.pt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    Stamp(tmp_path / "plda.json", {}, [tmp_path / "clusters/utt2cluster"]).write()
    Stamp(stamp_of_scores(tmp_path / "scores/plda"), {}, [tmp_path / "plda.npz"]).write()
    Stamp(stamp_of_scores(tmp_path / "scores/cosine"), {}, [tmp_path / "model.pt"]).write()
    return tmp_path


def test_scores_of_older_clusters_are_outdated(system):
    assert outdated(system / "scores/plda") is None
    (system / "clusters/utt2cluster").write_text("newer")
    reasons.cache_clear()
    assert outdated(system / "scores/plda") == f"{system}/clusters/utt2cluster has changed"
    assert outdated(system / "plda.npz") == f"{system}/clusters/utt2cluster has changed"
    assert outdated(system / "scores/cosine") is None


def test_an_input_that_is_gone_is_a_reason_to_make_it_again_but_not_to_doubt_it(system):
    (system / "model.pt").unlink()
    assert reasons(system / "scores/cosine") == (f"{system}/model.pt is gone",)
    assert outdated(system / "scores/cosine") is None


def test_an_output_without_a_record_or_with_a_broken_one_is_not_outdated(system):
    assert records_of(system / "scores/other") == []
    assert outdated(system / "scores/other") is None
    (system / "plda.json").write_text('{"inputs": {"half')
    assert inputs_of(system / "plda.json") == inputs_of(system / "nothing.json") == []
    assert outdated(system / "plda.npz") is None


def test_embeddings_of_several_jobs_have_several_records(tmp_path):
    for part in ("1", "2"):
        (tmp_path / f"parts/{part}").mkdir(parents=True)
        record = {"settings": {}, "inputs": {str(tmp_path / f"wav{part}"): "?"}}
        (tmp_path / f"parts/{part}/embedding.json").write_text(json.dumps(record))
    (tmp_path / "wav2").write_text("new")
    assert reasons(tmp_path / "embedding.scp") == (f"{tmp_path}/wav1 is gone", f"{tmp_path}/wav2 has changed")
