"""Results of experiments as records, tables, plots and pages."""
