"""dlg-lc: from unlabelled speech to a speaker verification system (Han, Chen and Qian, arXiv 2208.01928).

The rooms, from the bottom up. A module imports from its own room and from those above it in this list:

    errors, console, files     an error with a remedy; log and progress; files that appear whole or not at all
    settings/                  what stands in conf/*.yaml: types, ranges, choices, and how they are read
    data/                      tables, audio, arks, features, crops, augmentation, batches
    encoders/                  ECAPA-TDNN, ResNet34, CAM++; model.pt
    provenance                 what an output was made from, by which code, on which machine
    training/                  the one training loop: processes, optimiser, checkpoints
    dino/                      stage I: projection head, loss, health, task
    rounds/                    stage II: classifier, loss mixture, gate, DLG-LC loss, task
    vectors                    means, lengths and whitening of embeddings
    clusters/                  k-means, and what the sizes of clusters tell
    scoring/                   cosine, PLDA, cohorts, error rates
    reports/                   what an experiment directory holds, as tables and plots
    extras/                    tools that run.sh never calls: calibration, fusion, bootstrap, Kaldi's PLDA files
"""

__version__ = "0.2.0"
