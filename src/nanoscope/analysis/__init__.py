"""Analyses: each module is a set of functions (model, task, metric, settings) -> result, and none imports another."""
