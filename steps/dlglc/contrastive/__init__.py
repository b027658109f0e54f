"""Stage I by contrast: an encoder learns to tell utterances apart (SimCLR: Chen et al., ICML 2020)."""
