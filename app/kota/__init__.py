"""A library for Kota's API. It knows no settings, no database and no web framework."""
