"""The report page of an experiment: one HTML file that needs no network."""
