"""Times of an adaptation: what is measured, and how times grow with the work. No time itself is tested."""

import pytest

from dlglc.encoders import build_encoder
from dlglc.encoders.models import load_model, save_model
from dlglc.errors import RecipeError
from dlglc.reports.adaptation_estimate import Work, estimate_adaptation, measure_adaptation
from dlglc.reports.estimate import Corpus
from dlglc.settings import load_settings
from dlglc.settings.schema import DinoSettings, DlglcSettings, FbankSettings


@pytest.fixture
def model(tmp_path):
    encoder = load_settings(DinoSettings, None, ["encoder.name=resnet34", "encoder.channels=2"]).encoder
    save_model(tmp_path / "x.pt", encoder, load_settings(FbankSettings), build_encoder(encoder, 80).state_dict(), "wav")
    return load_model(tmp_path / "x.pt")


def rounds(*words):
    plain = ["batch_size=2", "crop_seconds=0.3", "augment_probability=0"]
    return load_settings(DlglcSettings, None, [*plain, *words])


def test_work_is_measured(model, processes):
    found = measure_adaptation(model, rounds("adapt.cache=true", "adapt.trained_parts=2"), processes)
    # Behind three groups: 4 x 2 maps of 20 bins, of which a quarter of the frames is left, 2 bytes each.
    assert found.kept == pytest.approx(8 * 20 * 25 * 2)
    assert min(found) > 0
    assert [p.requires_grad for p in model.encoder.parameters()].count(True) < len(list(model.encoder.parameters()))
    whole = measure_adaptation(model, rounds(), processes)
    assert (whole.kept, whole.again) == (0, whole.embedding)
    with pytest.raises(RecipeError, match=r"adapt\.trained_parts: 7, and this encoder has 5 parts"):
        measure_adaptation(model, rounds("adapt.cache=true", "adapt.trained_parts=7"), processes)


def test_times_grow_with_rounds_and_epochs():
    corpus, work = Corpus(100, 10.0, 1000, {}, 0, 100.0), Work(0.03, 0.02, 0.001, 0.0)

    def stages(count, jobs, epochs):
        found = estimate_adaptation(corpus, work, rounds(f"epochs={epochs}", "adapt.patience=0"), count, jobs)
        return {stage.split(",")[0]: seconds for stage, seconds in found}

    one, more = stages(1, 1, 15), stages(3, 2, 15)
    assert more["stage 5"] == pytest.approx(3 * one["stage 5"])
    assert more["stage 4"] == one["stage 4"] == pytest.approx(1.3 * 0.03 * 36000 + 20)
    assert more["stage 1"] < one["stage 1"]
    longer = stages(1, 1, 30)
    assert longer["stage 5"] - one["stage 5"] == pytest.approx(15 * 1.3 * 0.02 * 1000)
    none = stages(0, 1, 15)
    assert none["stage 5"] == 0
