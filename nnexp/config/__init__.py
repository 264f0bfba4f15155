"""The settings of a run: composition from files and the command line, checks and identity."""
