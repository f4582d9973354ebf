"""Every face of the pictures named on the command line: where it is, and how good."""

import sys

from mien import Failure, Recognizer

recognizer = Recognizer.load()
for found in recognizer.find_many(sys.argv[1:]):
    if isinstance(found, Failure):
        print(f"{found.source}: {found.error}")
        continue
    print(f"{found.source}: {len(found)} faces")
    for box, value, reasons in zip(found.faces.boxes, found.quality.values, found.quality.reasons, strict=True):
        print("  at", *box.round().astype(int), f"quality {value:.2f}", *reasons)
