"""Employers and employees to Kota: the desired state, not a log of calls."""
