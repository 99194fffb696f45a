"""From a corpus to an own model: tokenizer, token shards, pretraining, adaptation of open weights, instruction tuning, export.

Needs the extra ``train`` (PyTorch). Nothing heavy is imported before it is used. Knows nothing about serving.
"""
