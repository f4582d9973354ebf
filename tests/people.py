"""People for tests on any machine: those of `mien.demo.people`, which says what they are good for."""

from __future__ import annotations

from mien.demo.people import MOST, SIDE, make_people, write_people

__all__ = ["MOST", "SIDE", "make_people", "write_people"]
