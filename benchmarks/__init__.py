"""Measurements: each module prints a table, and one line of JSON at the end."""
