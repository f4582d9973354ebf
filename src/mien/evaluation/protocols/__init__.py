"""Protocols: which pictures are compared with which, read from the lists that data sets publish."""
