"""Do two pictures show one person? Usage: same_person.py A B [FMR]"""

import sys

from mien import MienError, Recognizer

a, b, *rest = sys.argv[1:]
try:
    answer = Recognizer.load().compare(a, b, fmr=float(rest[0]) if rest else 1e-3, face="largest")
except MienError as error:
    sys.exit(f"cannot say: {error}")
print(answer.verdict, f"similarity {answer.similarity:.3f}", answer.note)
