"""Training with PyTorch and Lightning: the only folder that imports torch."""
