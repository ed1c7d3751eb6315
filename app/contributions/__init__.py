"""Payroll reports."""
