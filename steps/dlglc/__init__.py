"""dlg-lc: from unlabelled speech to a speaker verification system (Han, Chen and Qian, arXiv 2208.01928).

The rooms of the package. A module imports from its own room and from the rooms above it in this list:

    arrays, errors, precision  the type of arrays; an error with a remedy; where a GPU may round coarsely
    console, files             log and progress; files that are complete or not there at all
    locks                      one process at a time in a folder
    networks                   ONNX networks
    provenance                 the record of an output: its settings and inputs, its checksum, code and machine
    settings/                  the settings of conf/*.yaml: types, ranges, choices, how they are read
    vectors                    means, lengths and whitening of embeddings
    data/                      tables, audio, arks, features, crops, augmentation, batches
    scoring/                   trial scores by cosine and PLDA, score normalisation, error rates
    encoders/                  ECAPA-TDNN, ResNet34, CAM++; model.pt
    training/                  the training loop of both stages: processes, optimiser, checkpoints
    extraction                 embeddings of a data directory by a trained encoder
    contrastive/               stage I by contrast: loss, task
    dino/                      stage I: projection head, loss, health, task
    rounds/                    stage II: classifier, loss mixture, gate, DLG-LC loss, task
    clusters/                  pseudo labels: k-means, warnings about cluster sizes, a proposal for their number
    extras/                    tools that run.sh never calls: calibration, fusion, bootstrap, Kaldi's PLDA files
    reports/                   results of experiments as tables, plots and pages
    bundles/                   one file with all that a user of a system needs: how it is made, its networks and scores
    front/                     use of a bundle: dlglc.load and the command dlg-lc
"""

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .front.model import Model

__version__ = "0.4.2"

_top, _program = Path(__file__).resolve().parents[2], Path(sys.argv[0]).resolve()
_of_the_recipe = _program.suffix == ".py" and _top in _program.parents and (_top / "run.sh").exists()
if _of_the_recipe and importlib.util.find_spec("torch") is None:  # other programs, which only use a bundle, need none
    sys.exit(f"{sys.argv[0]}: the recipe's environment is not active: run `. ./path.sh` in its folder first")


def load(bundle: str | Path) -> "Model":
    """Open a bundle: `dlglc.load("bundle.dlglc").embed("a.wav")`.

    Args:
        bundle: the file that stage 7 of run.sh made.

    Raises:
        dlglc.errors.RecipeError: the file is missing, damaged, or not a bundle.
    """
    from .front.model import load_model  # here: `import dlglc` must stay quick

    return load_model(bundle)
