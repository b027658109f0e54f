"""Fault trials: signals, mutated inputs, full disks, hostile names (run.sh)."""
