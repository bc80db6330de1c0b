"""Faces → action units, one file an estimator."""
