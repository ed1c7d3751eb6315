"""Employers and employees: what the host wants of them, brought to Kota and kept so."""
