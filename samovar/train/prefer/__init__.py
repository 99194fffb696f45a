"""Preference tuning: a model learns to find one answer likelier than another, by trl's DPO, in a run that goes on after a kill."""
