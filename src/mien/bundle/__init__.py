"""The one artefact: a model as a self-describing folder, its calibrations, and how it is run."""
