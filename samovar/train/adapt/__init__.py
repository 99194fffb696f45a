"""Adaptation of open weights: a smaller vocabulary for the language, or another one, and further training."""
