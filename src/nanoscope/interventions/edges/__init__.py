"""Edges: who reads what from whom. The residual stream as a list of writes, and runs in which each read sees a mixture of them.

What may enter: the graph of a model, runs with a mask over its edges, and exact effects of single edges. Scores that estimate
them, searches and judgements of circuits are analyses.
"""
