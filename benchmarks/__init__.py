"""Measurements, never tests: each prints its table and writes ``benchmarks/results/<name>.json``."""
