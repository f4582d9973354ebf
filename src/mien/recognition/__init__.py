"""The road: image → faces → crops → embeddings → comparison."""
