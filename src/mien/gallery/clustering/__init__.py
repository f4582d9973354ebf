"""Faces of unknown people into groups: neighbours, linkage, groups that grow, their file and their page."""
