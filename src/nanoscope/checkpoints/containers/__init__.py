"""What a checkpoint's file is by its first bytes, and its content, opened without running anything: pickles of PyTorch and
others, safetensors, npz, JSON, and folders of them."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
