"""Tables, audio, arks and features, and the crops and batches that training draws from them."""
