"""Tools that run.sh never calls: calibration and fusion, intervals by bootstrap, PLDA files of Kaldi."""
