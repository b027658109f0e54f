"""Stage I: DINO pretraining (Caron et al., ICCV 2021; for speech arXiv 2208.01928, section 2.1)."""
