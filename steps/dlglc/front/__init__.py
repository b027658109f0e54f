"""Use of a bundle: `dlglc.load` and the command `dlg-lc`. Nothing here needs torch."""
