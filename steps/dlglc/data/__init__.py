"""Tables, audio, arks and features, and the crops and batches for training."""
