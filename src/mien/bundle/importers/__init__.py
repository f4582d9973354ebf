"""Importers: one file per foreign model form that needs no training framework."""
