"""Face recognition you own from end to end: detect, align, embed, compare."""
