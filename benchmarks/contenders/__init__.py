"""Who is measured: a function a contender, run by contend.py in a process of its own."""
