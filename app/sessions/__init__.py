"""Tokens for Kota's embed."""
