"""Stage II: rounds of training with dynamic loss gate and label correction (arXiv 2208.01928, sections 2.2, 2.3)."""
