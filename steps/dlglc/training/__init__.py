"""The one training loop that both stages share."""
