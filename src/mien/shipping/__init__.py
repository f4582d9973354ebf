"""From one form of a model to another, each step proved against the one before."""
