"""The commands of dlg-lc. A command imports what it needs when it runs, so that the others start quickly."""
