"""What a measurement found, as a page that opens anywhere: a study, or two systems beside each other."""

from mien.evaluation.report.page import build

__all__ = ["build"]
