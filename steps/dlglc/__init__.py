"""dlg-lc: from unlabelled speech to a speaker verification system (Han, Chen and Qian, arXiv 2208.01928).

The rooms of the package. A module imports from its own room and from the rooms above it in this list:

    arrays, errors             the type of arrays; an error with a remedy
    console, files             log and progress; files that are complete or not there at all
    provenance                 the record of an output: its settings and inputs, code and machine
    settings/                  the settings of conf/*.yaml: types, ranges, choices, how they are read
    vectors                    means, lengths and whitening of embeddings
    data/                      tables, audio, arks, features, crops, augmentation, batches
    encoders/                  ECAPA-TDNN, ResNet34, CAM++; model.pt
    training/                  the training loop of both stages: processes, optimiser, checkpoints
    extraction                 embeddings of a data directory by a trained encoder
    contrastive/               stage I by contrast: loss, task
    dino/                      stage I: projection head, loss, health, task
    rounds/                    stage II: classifier, loss mixture, gate, DLG-LC loss, task
    clusters/                  pseudo labels: k-means, warnings about cluster sizes, a proposal for their number
    scoring/                   trial scores by cosine and PLDA, score normalisation, error rates
    extras/                    tools that run.sh never calls: calibration, fusion, bootstrap, Kaldi's PLDA files
    reports/                   results of experiments as tables, plots and pages
"""

import importlib.util
import sys

__version__ = "0.2.0"

if importlib.util.find_spec("torch") is None and sys.argv[0].endswith(".py"):
    sys.exit(f"{sys.argv[0]}: the recipe's environment is not active: run `. ./path.sh` in its folder first")
