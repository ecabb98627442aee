"""What a method costs: time in plain forward passes, and the most memory that its tensors hold at once.

Memory is counted by following every tensor's storage from the operation that made it until it is freed, so that it is a
property of the method and not of an allocator. What libraries hold inside an operation is not seen.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from nanoscope.model.gpt import GPT
from nanoscope.tasks.task import Task


def forward_seconds(model: GPT, task: Task) -> float:
    """The time of a plain forward of the clean texts: the shorter of two."""
    times = []
    for _ in range(2):
        began = time.perf_counter()
        with torch.inference_mode():
            float(model(task.clean.to(model.device))[0, 0, 0])  # read it, so that it is done
        times.append(time.perf_counter() - began)
    return min(times)


def peak_bytes(function: Callable[[], object]) -> int:
    """The most bytes that tensors made by a function hold at once; its own result, if tensors, among them."""
    with _Held() as held:
        function()
    return held.most


class _Held(TorchDispatchMode):
    """Bytes of the storages that operations made and that are not freed yet, and the most there were."""

    def __init__(self) -> None:
        super().__init__()
        self._known: set[int] = set()
        self._now, self.most = 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = [leaf.untyped_storage() for leaf in tree_iter((args, kwargs)) if isinstance(leaf, Tensor)]
        given = {storage._cdata for storage in before}
        made = func(*args, **(kwargs or {}))
        for leaf in tree_iter(made):
            if isinstance(leaf, Tensor) and (storage := leaf.untyped_storage())._cdata not in given | self._known:
                self._note(storage)
        return made

    def _note(self, storage: UntypedStorage) -> None:
        name, size = storage._cdata, storage.nbytes()
        self._known.add(name)
        self._now += size
        self.most = max(self.most, self._now)
        weakref.finalize(storage, self._free, name, size)

    def _free(self, name: int, size: int) -> None:
        self._known.discard(name)
        self._now -= size
