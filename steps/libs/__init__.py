"""What the stage scripts share. Modules here never read sys.argv and, cli.py apart, never print."""
