"""Readers together, writers alone."""

from __future__ import annotations

import threading

import pytest

from mien.gallery.index.turns import Turns


def test_readers_are_there_together() -> None:
    turns, meeting = Turns(), threading.Barrier(3, timeout=30)

    def read() -> None:
        with turns.reading():
            meeting.wait()

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not meeting.broken


def test_a_writer_waits_for_readers_and_goes_before_new_ones() -> None:
    turns, course = Turns(), list[str]()
    begun = threading.Event()

    def write() -> None:
        begun.set()
        with turns.writing():
            course.append("writer")

    def read() -> None:
        with turns.reading():
            course.append("second reader")

    writer, reader = threading.Thread(target=write), threading.Thread(target=read)
    with turns.reading():
        writer.start()
        begun.wait()
        while not turns._waiting:
            pass
        reader.start()
        course.append("first reader")
    writer.join()
    reader.join()
    assert course == ["first reader", "writer", "second reader"]


def test_an_error_ends_the_turn() -> None:
    turns = Turns()
    for turn in (turns.reading, turns.writing):
        with pytest.raises(ZeroDivisionError), turn():
            _ = 1 / 0
    with turns.writing():
        pass
