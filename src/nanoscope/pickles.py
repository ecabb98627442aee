"""Pickles opened without running anything: every class and function that a pickle names is an inert stand-in.

Python's own pickle machine reads the opcodes; the ones that would call something record the call instead. A few names may be
given a `builder`, a function of ours that makes the value (a tensor, an ordered dictionary). Opcodes, and the data that
builders copy, are counted, so that memory stays within a small multiple of the file's size.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn

OPCODES = 4_000_000
"""The largest vocabularies, with merges, take a tenth of it."""
DANGEROUS = frozenset(
    [
        *(
            "os",
            "posix",
            "nt",
            "posixpath",
            "subprocess",
            "sys",
            "shutil",
            "socket",
            "pty",
            "commands",
            "importlib",
            "runpy",
        ),
        *(
            "ctypes",
            "code",
            "codeop",
            "pdb",
            "webbrowser",
            "multiprocessing",
            "http",
            "urllib",
            "requests",
            "asyncio",
            "pip",
        ),
    ]
)
"""Modules of which no model needs a function called."""
DANGEROUS_BUILTINS = frozenset(["eval", "exec", "execfile", "compile", "__import__", "open", "input", "breakpoint"])
SLACK = 64 * 2**20
"""Bytes that any file may ask for, however small it is."""
LONGEST_KEY = 8
"""Parts of a tuple that is a key, such as a merge of two symbols."""
OBJECT = 512
"""Bytes of a stand-in or a set, about."""


@dataclass(frozen=True)
class Named:
    """A class or function that a pickle names; never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False, repr=False, slots=True)
class StandIn:
    """An object of a class that is not known: what the pickle says of it."""

    made_by: Named
    args: tuple[Any, ...] = ()
    state: dict[Any, Any] = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)
    """Of a subclass of list or set."""
    entries: dict[Any, Any] = field(default_factory=dict)
    """Of a subclass of dict."""

    def __repr__(self) -> str:
        return f"<{self.made_by}>"

    def build(self, state: Any) -> None:
        """Record its state: attributes, or (attributes, slots), or anything else under the name "state"."""
        parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
        if all(isinstance(part, dict) or part is None for part in parts):
            for part in parts:
                self.state.update(part or {})
        else:
            self.state["state"] = state


class Dangerous(pickle.UnpicklingError):
    """The pickle would call something that acts on the machine; the text names it."""


class Budget:
    """Bytes that may be made from a file of some size; spending more is an error."""

    def __init__(self, size: int) -> None:
        self.left = 16 * size + SLACK

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise pickle.UnpicklingError("it would take far more memory than the file has bytes")


Builder = Callable[..., Any]


class Buildable:
    """A value that a builder makes and the opcode BUILD completes; `built(state)` is what takes its place."""

    place: int | None = None
    """Where the machine remembers it."""

    def built(self, state: Any) -> Any:
        raise NotImplementedError


_Source: Any = pickle  # some of its names start with an underscore
_Python: Any = _Source._Unpickler
"""The machine that is written in Python: its opcodes can be replaced, and its memo is a dictionary. In the other one a file of
ten bytes can ask for 32 GB."""


class Machine(_Python):
    """Python's pickle machine, with nothing left that could import, call or allocate by request."""

    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(_Python.dispatch)

    def __init__(
        self,
        file: io.BytesIO,
        builders: Mapping[str, Builder],
        budget: Budget,
        persistent: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(file, encoding="latin-1")
        self.builders, self.budget, self.persistent = builders, budget, persistent
        self.opcodes = 0

    def load(self) -> Any:
        unframer = _Source._Unframer(self._file_read, self._file_readline)
        self.read, self.readinto, self.readline = unframer.read, unframer.readinto, unframer.readline
        self._unframer, self.metastack, self.stack = unframer, [], []
        self.append = self.stack.append
        try:
            while key := self.read(1):
                self.opcodes += 1
                if self.opcodes > OPCODES:
                    raise pickle.UnpicklingError("it has too many parts")
                self.dispatch[key[0]](self)
        except _Source._Stop as stop:
            return stop.value
        raise EOFError

    def find_class(self, module: str, name: str) -> Named:
        return Named(module, name)

    def get_extension(self, code: int) -> NoReturn:
        raise pickle.UnpicklingError("it uses the extension registry")

    def persistent_load(self, pid: Any) -> Any:
        if self.persistent is None:
            raise pickle.UnpicklingError("it refers to data outside")
        return self.persistent(pid)

    def made(self, called: Any, args: Any) -> Any:
        """The value of a call: a builder's, else a stand-in."""
        if not isinstance(called, Named) or not isinstance(args, tuple):
            raise pickle.UnpicklingError("it calls something that has no name")
        _refuse_dangerous(called)
        builder = self.builders.get(str(called))
        if builder is None:
            self.budget.spend(OBJECT)
            return StandIn(called, args)
        self.budget.spend(sum(64 * len(one) for one in args if isinstance(one, (str, bytes, list, tuple, dict))))
        return builder(*args)

    # The opcodes that call, complete or fill something; `dispatch` below maps them.

    def _reduce(self) -> None:
        args, called = self.stack.pop(), self.stack.pop()
        self.append(self.made(called, args))

    def _newobj_ex(self) -> None:
        named, args, called = self.stack.pop(), self.stack.pop(), self.stack.pop()
        value = self.made(called, args)
        if isinstance(value, StandIn) and isinstance(named, dict):
            value.build(named)
        self.append(value)

    def _instantiate(self, klass: Any, args: list[Any]) -> None:
        self.append(self.made(klass, tuple(args)))

    def _build(self) -> None:
        state, value = self.stack.pop(), self.stack[-1]
        if isinstance(value, StandIn):
            value.build(state)
        elif isinstance(value, Buildable):
            built = value.built(state)
            self.stack[-1] = built
            if value.place is not None:
                self.memo[value.place] = built

    def _remember(self, place: int) -> None:
        value = self.stack[-1]
        if isinstance(value, Buildable):
            value.place = place
        self.memo[place] = value

    def _append(self) -> None:
        value = self.stack.pop()
        self._extend([value])

    def _extend(self, items: list[Any]) -> None:
        owner = self.stack[-1]
        (owner.items if isinstance(owner, StandIn) else _require(owner, list)).extend(items)

    def _set_items(self, items: list[Any]) -> None:
        owner = self.stack[-1]
        table = owner.entries if isinstance(owner, StandIn) else _require(owner, dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            table[_require_simple(key)] = value

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def _dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._set_items(items)

    def _add_items(self, items: list[Any]) -> None:
        owner = self.stack[-1]
        if isinstance(owner, StandIn):
            owner.items.extend(items)
        else:
            _require(owner, set).update(map(_require_simple, items))

    def _empty_set(self) -> None:
        self.budget.spend(OBJECT)
        self.append(set())

    def _frozenset(self) -> None:
        self.budget.spend(OBJECT)
        self.append(frozenset(map(_require_simple, self.pop_mark())))

    def _bytearray(self) -> None:
        self.append(bytearray(self.read(int.from_bytes(self.read(8), "little"))))

    dispatch |= {
        pickle.REDUCE[0]: _reduce,
        pickle.NEWOBJ[0]: _reduce,
        pickle.NEWOBJ_EX[0]: _newobj_ex,
        pickle.BUILD[0]: _build,
        pickle.APPEND[0]: _append,
        pickle.APPENDS[0]: lambda self: self._extend(self.pop_mark()),
        pickle.SETITEM[0]: _set_item,
        pickle.SETITEMS[0]: lambda self: self._set_items(self.pop_mark()),
        pickle.DICT[0]: _dict,
        pickle.ADDITEMS[0]: lambda self: self._add_items(self.pop_mark()),
        pickle.EMPTY_SET[0]: _empty_set,
        pickle.FROZENSET[0]: _frozenset,
        pickle.BYTEARRAY8[0]: _bytearray,
        pickle.PUT[0]: lambda self: self._remember(int(self.readline()[:-1])),
        pickle.BINPUT[0]: lambda self: self._remember(self.read(1)[0]),
        pickle.LONG_BINPUT[0]: lambda self: self._remember(int.from_bytes(self.read(4), "little")),
        pickle.MEMOIZE[0]: lambda self: self._remember(len(self.memo)),
    }


def _refuse_dangerous(called: Named) -> None:
    package = called.module.partition(".")[0]
    builtin = package in ("builtins", "__builtin__") and called.name in DANGEROUS_BUILTINS
    if builtin or package in DANGEROUS:
        raise Dangerous(str(called))


def _require(value: Any, kind: type) -> Any:
    if isinstance(value, kind):
        return value
    raise pickle.UnpicklingError(f"it fills a {type(value).__name__}")


def _require_simple(key: Any) -> Any:
    """A key that is hashed at once: a number of a million digits, or nested tuples that share their parts, are not."""
    parts = key if isinstance(key, tuple) and len(key) <= LONGEST_KEY else (key,)
    for part in parts:
        scalar = part is None or isinstance(part, (str, int, float, bytes, Named, StandIn))
        if not scalar or (isinstance(part, int) and part.bit_length() > 256):
            raise pickle.UnpicklingError(f"a {type(part).__name__} is a key in it")
    return key


def pairs(*args: Any) -> dict[Any, Any]:
    """Builder of dictionaries of other kinds, from another dictionary or a list of pairs."""
    given = args[0] if args else {}
    entries = given.items() if isinstance(given, dict) else given
    return {_require_simple(key): value for key, value in entries}


def latin(text: str, encoding: str) -> bytes:
    """Builder of bytes: protocols 0 to 2 spell them as Latin-1 text."""
    return text.encode("latin-1") if encoding == "latin1" else b""


CONTAINERS: dict[str, Builder] = {
    "collections.OrderedDict": pairs,
    "collections.Counter": pairs,
    "collections.defaultdict": lambda *_: {},
    "builtins.set": lambda items=(): set(map(_require_simple, items)),
    "__builtin__.set": lambda items=(): set(map(_require_simple, items)),
    "builtins.frozenset": lambda items=(): frozenset(map(_require_simple, items)),
    "__builtin__.frozenset": lambda items=(): frozenset(map(_require_simple, items)),
    "_codecs.encode": latin,
    "builtins.bytearray": lambda data=b"", *encoding: (
        latin(data, "latin1") if encoding else bytes(_require(data, bytes))
    ),
}
"""Builders of plain containers."""
