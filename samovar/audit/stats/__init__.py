"""Estimators and tests, each with its paper. Arrays in, frozen results out; knows nothing about probes, systems or files."""
