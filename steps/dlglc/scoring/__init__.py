"""Scores of verification trials, and error rates."""
