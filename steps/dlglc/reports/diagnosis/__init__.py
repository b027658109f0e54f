"""What went wrong in an experiment: problems that its records show, each with a remedy (run.sh --diagnose)."""

from .checks import Diagnosis, diagnose
from .experiment import Finding

__all__ = ["Diagnosis", "Finding", "diagnose"]
