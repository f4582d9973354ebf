"""People known by name: enrolled from a folder a person, found on other pictures, and forgotten again.

Usage: who_is_it.py PEOPLE PICTURES GALLERY
"""

import sys
from pathlib import Path

from mien import Consent, Failure, Gallery, MienError, Recognizer
from mien.images import find_pictures

people, pictures, place = sys.argv[1:]
recognizer = Recognizer.load()
with Gallery.open(place, calibration=recognizer.calibration) as gallery:
    for file in find_pictures([people]):
        try:
            gallery.enroll(Path(file).parent.name, recognizer.read(file), consent=Consent("an example"))
        except MienError as error:  # what the gate has against it
            print(error)
    for reading in recognizer.read_many(find_pictures([pictures])):
        if isinstance(reading, Failure):
            print(reading.error)
            continue
        for match in gallery.identify(reading):
            print(f"{Path(reading.source).name}: {match.verdict} {match.person or ''}")
    for person in gallery.people():
        print(person.name, gallery.forget(person.id).state)
