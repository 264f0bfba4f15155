"""The settings of a run: checked, identified, composed from files and the command line."""
