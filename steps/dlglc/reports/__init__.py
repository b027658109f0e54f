"""What an experiment directory holds, as records, tables and plots."""
