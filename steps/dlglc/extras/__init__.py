"""Tools that run.sh never calls: calibration and fusion, bootstrap intervals, Kaldi's PLDA files."""
