"""Pseudo labels: clusters of the embeddings of the training set."""
