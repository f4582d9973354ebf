"""The command line: one file per wing."""
