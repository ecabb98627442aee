"""Published numbers once more, from the weights alone, in plain PyTorch: nothing here imports nanoscope.

`gpt` is nanoGPT's forward pass, `published` finds what the study says, the other modules each recompute a few of its numbers
by the definitions in docs/methods/. `benchmarks/recompute.py` puts both side by side.
"""
