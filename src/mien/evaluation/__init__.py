"""How good is it: scores in; error rates with intervals, calibrations and reports out."""
