"""The audit room: probes, targets, collection, grading, statistics, self-test, report. Knows nothing about how the assistant works inside.

Imports nothing until a name is used.
"""
