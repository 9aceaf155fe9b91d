"""Operators' work on embedding models: which there are, indexes, a change of model, recall, mirroring."""
