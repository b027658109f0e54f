"""One utterance in every format, embedded by a trained model: the format is not heard."""

import random

import numpy as np
import soxr
import torch

from dlglc.data.intake import Intake
from dlglc.encoders.models import load_model
from dlglc.vectors import unit_length
from standin import cut
from support.audio_files import FORMS, write_form

RATE = 16000
LOSSLESS = (
    *("pcm16", "pcm24", "pcm32", "float", "double", "extensible", "rf64", "wave64", "flac", "flac24", "aiff"),
    *("aiff float", "caf", "alac", "au", "sphere", "voc", "m4a alac", "mov"),
)


def cosines(model_path, speech, folder):
    """Cosine between the embeddings of an utterance and of its file in each of FORMS.

    Args:
        model_path: model.pt.
        speech: (N,) samples, 16 kHz, where 1 is full scale.
        folder: where the files go.
    """
    model, intake = load_model(model_path), Intake(RATE, folder)

    def embed(waveform):
        feats = model.fbank(torch.from_numpy(waveform.astype(np.float32) * 32768)[None])
        with torch.inference_mode():
            return unit_length(model.encoder(feats - feats.mean(1, keepdim=True)).numpy())[0]

    def taken(number, name):
        form = FORMS[name]
        path = folder / f"{number}.{form.ending}"
        write_form(path, name, samples=soxr.resample(speech, RATE, form.rate))
        samples = intake.take(str(path)).samples
        return samples[0 : len(samples)]

    original = embed(speech)
    return {name: float(original @ embed(taken(number, name))) for number, name in enumerate(FORMS)}


def test_embeddings_of_all_formats(finished, speech, tmp_path):
    found = cosines(finished.tree / "exp/mini/round1/model.pt", cut(random.Random(1), speech[1]) / 32768, tmp_path)
    low = {name: cosine for name, cosine in found.items() if cosine < (0.98 if name in LOSSLESS else 0.2)}
    assert not low
