"""Numbered steps from one schema of the gallery's database to the next; forward only. Alembic runs them."""
