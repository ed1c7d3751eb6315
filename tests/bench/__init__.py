"""Benchmarks: each claim is a ratio of two figures from one run, since machines differ and are shared."""
