"""Hides the modules that a server has imported, and hands them over in its kernels when a notebook imports them.

In a server, `recording` notes what each module does while it runs: which modules it asks for, in order, whether or not
they are loaded already, and what it changes in Python itself (`os.environ`, the filters of warnings, ...). `hide`
undoes all this. In a kernel, importing a hidden module does it again, without running the module. ../README.md says
what is exact about this. Runs in the user's interpreter, as `server.py` does.
"""

from __future__ import annotations

import atexit
import builtins
import ctypes
import importlib
import importlib.machinery
import logging
import os
import random
import re
import sys
import threading
import warnings
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Callable, Dict, Iterator, Mapping, Union

# Python reads these two functions and this class each time.
BOOTSTRAP: Any = sys.modules["_frozen_importlib"]
REPLACED = ("_find_spec", "_load_unlocked", "_handle_fromlist")
FIND_SPEC, LOAD, HANDLE_FROMLIST = (getattr(BOOTSTRAP, name) for name in REPLACED)
ModuleSpec: Any = BOOTSTRAP.ModuleSpec
# What remembers classes and results, where nobody notices additions; the names are as in `_registries`.
CACHES = re.compile(
    r"^(__main__|__mp_main__|_frozen_importlib|abc|concurrent\.futures|encodings|enum|functools|importlib|linecache|logging"
    r"|re|sys|threading|typing|zoneinfo)\b|\b_cy\w+\.|cache|dispatch_table|^dateutil\.tz|^time\.tzname"
    r"|^ipykernel\.ipkernel\._comm_manager"  # only a front end asks it
    r"|numpy.*(info _m|ARRAY_FUNCTIONS)|xp_capabilities_table| __(abstractmethods|annotations|slotnames)__$"
)
# Their own methods, because a class derived from them may note its use.
COLLECTIONS: Any = ((dict, dict.values), (list, list.copy), (set, set.copy))
PLAIN = {
    *(bool, bytes, complex, float, int, str, tuple, type(None), type(NotImplemented), type(Ellipsis)),
    *(BuiltinFunctionType, FunctionType, ModuleType, re.Pattern),
}
NUMBER = object.__hash__  # unlike `id`, it raises no audit event, which `importing.py` would hear
OF_CLASSES = {"__abstractmethods__", "__annotations__", "__annotations_cache__", "__slotnames__"}
ENVIRON: Any = type(os.environ)
SET_DEFAULT, GET, ITERATE = ENVIRON.setdefault, ENVIRON.__getitem__, ENVIRON.__iter__
# Variables that code in C may read while it is imported.
READ_IN_C = re.compile(rb"^(BLIS|GOMP|GOTO|KMP|LD|MALLOC|MKL|NUMEXPR|OMP|OPENBLAS)_")
IS_ENABLED = logging.Logger.isEnabledFor
RUN_AGAIN = 113  # exit code: a started kernel is to run the notebook, from its first cell; the same in the client
UNDISTURBED = 10.0  # seconds: longer than it takes
MAIN = ("__main__", "__mp_main__")
MAIN_OF_CHILDREN = "__mp_main__"  # multiprocessing gives the main module this name, too, when it is imported
# Cython's modules share a module of this name; the first one creates it.
CYTHON = re.compile(rb"_cython_\d+_\w+")

Event = Union[str, Callable[[], Any]]  # a module that was asked for, or what does again what the module did
State = Dict[str, Any]


class Shelf:
    """The hidden modules of a server."""

    def __init__(self) -> None:
        self.modules: dict[str, Any] = {}  # hidden ones
        self.looked_for: set[str] = set()  # perhaps modules: texts in code that asks `sys.modules`
        self._base = set(sys.modules)  # never hidden
        self._events: dict[str, list[Event]] = {}
        self._namespaces: dict[str, dict[str, Any]] = {}  # of packages, as they were once they had run
        self._children: dict[str, list[str]] = {}  # of packages: their submodules at that time
        self._planted: dict[str, Any] = {}  # modules that others have put into `sys.modules`
        self._tops: set[str] = set()  # the first parts of all names that were looked for
        self._running: list[_RunningModule] = []
        self._known = set(sys.modules)
        # Modules that import others at their first use, and then keep them.
        lazy = [vars(each) for name, each in sys.modules.items() if name not in MAIN and "__getattr__" in vars(each)]
        self._lazy = [(names, set(names)) for names in lazy]
        self._spies: list[Any] = []
        self._spying_spec = _spying(self._asked)
        self._count = 0
        self._first = self._last = _copied()
        self._registries: dict[str, dict[str, int]] = {}
        self._read: set[bytes] = set()  # variables that imports have looked for
        self._reads_all = False
        self._logs = False  # whether an import asks if a message is to be logged
        self._handed: dict[str, Any] = {}
        self._depth = 0
        self._conditions: dict[str, Any] | None = None  # None: in a server

    # --- In a server

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Note what modules do that are imported meanwhile."""
        self._registries = self._registries or _registries(sys.modules)
        self._first = self._last = _copied()
        self._count = len(sys.modules)
        self._running.append(_RunningModule(""))
        for module in self.modules.values():
            self._spy_on(getattr(module, "__spec__", None))
            self._spy_on_package(module)
        register = atexit.register
        vars(BOOTSTRAP).update(zip(REPLACED, (self._find_spec, self._load, self._handle_fromlist)))
        atexit.register = self._registered(register)
        logging.Logger.isEnabledFor = self._logged  # type: ignore[method-assign]
        ENVIRON.setdefault, ENVIRON.__getitem__, ENVIRON.__iter__ = self._set_default, self._get, self._iterate
        try:
            yield
        finally:
            atexit.register, logging.Logger.isEnabledFor = register, IS_ENABLED  # type: ignore[method-assign]
            ENVIRON.setdefault, ENVIRON.__getitem__, ENVIRON.__iter__ = SET_DEFAULT, GET, ITERATE
            vars(BOOTSTRAP).update(zip(REPLACED, (self._find_spec, LOAD, HANDLE_FROMLIST)))
            self._running.pop()
            for each in self._spies:
                each.__class__ = ModuleSpec if isinstance(each, ModuleSpec) else ModuleType
            self._spies.clear()

    def hide(self) -> str:
        """Hide all modules that were imported since this was created, and undo what they have changed.

        Returns the name of something that was changed for good; empty if there is nothing.
        """
        for name in [name for name in sys.modules if name not in self._base]:
            self.modules[name] = sys.modules.pop(name)
        for name in self.modules.keys() - self._planted.keys():
            parent, _, child = name.rpartition(".")
            package = self.modules.get(parent, sys.modules.get(parent))
            if _is(package, ModuleType):
                _put_back(package.__dict__, child, self._namespaces.get(parent, {}))
        _StateChange(_copied(), self._first)()
        then, self._registries = self._registries, _registries({**sys.modules, **self.modules})
        late = [name for name in sys.modules if name not in self._base]  # something above has made it import
        return next(iter(late or _changed(then, self._registries)), "")

    def has(self, module: str, name: str) -> bool:
        """Return whether a hidden module has a name without any import."""
        return name in vars(self.modules[module]) if module in self.modules and name else False

    def _spy_on(self, spec: Any) -> None:
        if type(spec) is ModuleSpec:
            spec.__class__ = self._spying_spec
            self._spies.append(spec)

    def _spy_on_package(self, module: Any) -> None:
        """Note when a submodule is used that its package imports at its first use."""
        asked, package = self._asked, vars(module).get("__name__")
        if type(module) is not ModuleType or "__getattr__" not in vars(module) or "__path__" not in vars(module):
            return

        class Package(ModuleType):
            def __getattribute__(self, name: str) -> Any:
                value = super().__getattribute__(name)
                if sys.modules.get(f"{package}.{name}", package) is value:
                    asked(f"{package}.{name}")
                return value

        module.__class__ = Package
        self._spies.append(module)

    def _asked(self, name: str) -> None:
        self._note_changes()
        if name not in self._base:
            self._running[-1].events.setdefault(name)

    def _note_changes(self) -> None:
        """Note what the running module has done since its last event."""
        running = self._running[-1]
        fresh, self._count = len(sys.modules) - self._count, len(sys.modules)
        if fresh > 0 and running.name:
            for name in list(islice(reversed(sys.modules), fresh + 1))[::-1]:  # one may have been moved to the end
                if name not in self._known:
                    self._known.add(name)
                    self._planted[name] = sys.modules[name]
                    self._events[name] = [running.name]
                    running.events[_Planted(name, sys.modules[name])] = None
        for names, then in self._lazy:
            if len(names) > len(then):
                fresh_names = [each for each in names.keys() - then if not _is(names[each], ModuleType)]
                if fresh_names:  # the next module that uses them is to ask for them again
                    running.events[partial(names.update, {each: names.pop(each) for each in fresh_names})] = None
        if self._last != _state():
            now = _copied()
            running.events[_StateChange(self._last, now)] = None
            self._last = now

    def _load(self, spec: Any) -> Any:
        """Replace the function of Python that creates a module and runs it."""
        self._asked(spec.name)
        if isinstance(spec.loader, _FromShelf):
            self._running.append(_RunningModule(""))
            try:
                return LOAD(spec)
            finally:
                self._running.pop()
                self._count, self._last = len(sys.modules), _copied()
        self._spy_on(spec)
        self._known.add(spec.name)
        running = _RunningModule(spec.name)
        self._running.append(running)
        try:
            module = _loaded(spec)
        except BaseException:
            self._note_changes()
            self._running.pop()
            outer = self._running[-1].events
            outer.pop(spec.name, None)
            outer.update(running.events)  # what it had imported stays
            raise
        self._note_changes()
        self._running.pop()
        events = self._events[spec.name] = list(running.events)
        if isinstance(spec.loader, importlib.machinery.ExtensionFileLoader):
            self._note_shared(spec, events)
        if _is(module, ModuleType) and hasattr(module, "__path__"):
            names = dict(vars(module))
            self._namespaces[spec.name] = names
            start = f"{spec.name}."
            children = [each[len(start) :] for each in sys.modules if each.startswith(start)]
            self._children[spec.name] = [
                each for each in children if "." not in each and start + each not in self._planted
            ]
            self._spy_on_package(module)
        return module

    def _note_shared(self, spec: Any, events: list[Event]) -> None:
        """Note what a module of Cython does only if no other one has done it before.

        It creates the module that all of them share, and some put themselves into `sys.modules` under a bare name.
        """
        found = CYTHON.search(Path(spec.origin).read_bytes())
        shared, bare = found[0].decode() if found else "", spec.name.rpartition(".")[2]
        if shared in self._planted:
            events.insert(0, _Planted(shared, self._planted[shared]))
        if bare in self._planted:
            events.append(_Planted(bare, sys.modules[spec.name]))

    def _handle_fromlist(self, module: Any, names: Any, import_: Any, **options: Any) -> Any:
        """Replace the function of Python that imports the submodules in `from package import names`."""
        for name in names:
            child = f"{module.__name__}.{name}"
            if child in sys.modules and vars(module).get(name) is sys.modules[child]:
                self._asked(child)
        return HANDLE_FROMLIST(module, names, import_, **options)

    @property
    def _set_default(self) -> Any:
        def set_default(variables: Any, name: str, value: str) -> Any:
            self._running[-1].events[partial(SET_DEFAULT, variables, name, value)] = None  # another one may have set it
            return SET_DEFAULT(variables, name, value)

        return set_default

    @property
    def _get(self) -> Any:
        def get(variables: Any, name: Any) -> Any:
            self._read.add(os.fsencode(name))
            return GET(variables, name)

        return get

    @property
    def _iterate(self) -> Any:
        def iterate(variables: Any) -> Iterator[Any]:
            self._reads_all = True
            return iter(ITERATE(variables))

        return iterate

    @property
    def _logged(self) -> Any:
        def is_enabled(logger: Any, level: int) -> bool:
            self._logs = True
            return IS_ENABLED(logger, level)

        return is_enabled

    def _registered(self, register: Any) -> Any:
        def note(function: Any, *arguments: Any, **options: Any) -> Any:
            if not self._running:  # a module has kept this function
                return register(function, *arguments, **options)
            self._running[-1].events[lambda: register(function, *arguments, **options)] = None
            return function

        return note

    @staticmethod
    def forget_filters() -> None:
        """Drop what Python has cached of earlier filters of warnings."""
        for name in ("_filters_mutated", "_filters_mutated_lock_held"):  # until Python 3.13, and since
            getattr(warnings, name, lambda: None)()

    # --- In a kernel, and for what another import of a server needs

    def begin(self) -> None:
        """In a kernel: from now on, modules are handed over only if Python is as it was for the imports."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.modules))  # what it never imports has no end
        self._handed.clear()
        self._conditions = self._now()

    def _find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        """Replace the function of Python that finds a module."""
        if name in self.modules and name in self._events and target is None and name not in sys.modules:
            if self._conditions and not self._depth and not self._is_as_recorded():
                os._exit(RUN_AGAIN)  # many modules in C cannot be loaded twice
            return ModuleSpec(name, _FromShelf(self))
        if self._running:
            self._tops.add(name.partition(".")[0])
        return FIND_SPEC(name, path, target)

    def _is_as_recorded(self) -> bool:
        """Return whether the imports would do now what they did in the server."""
        then, now = self._conditions or {}, self._now()
        return (
            all(now[each] == then[each] for each in ("path_hooks", "import", "folders"))
            and not any(self._reads(name) for name, _ in now["environ"].items() ^ then["environ"].items())
            and now["meta_path"][: len(then["meta_path"])] == then["meta_path"]
            and not any(_may_show(each) for each in now["filters"] if each not in then["filters"])
            and (now["logging"] == then["logging"] or not self._logs)
            and now["path"] >= then["path"]
            and not any(map(self._has_other, now["path"] - then["path"]))
            and all(sys.modules.get(name) is module for name, module in self._handed.items())
            and not any(module is None for module in sys.modules.values())
            and sys.modules.keys().isdisjoint(self.looked_for - self._base - self._handed.keys() - self._planted.keys())
        )

    def _reads(self, variable: bytes) -> bool:
        return self._reads_all or variable in self._read or bool(READ_IN_C.match(variable))

    def _has_other(self, folder: str) -> bool:
        """Return whether a folder has a module that an import would have found there."""
        with suppress(OSError):
            return not self._tops.isdisjoint(path.name.partition(".")[0] for path in Path(folder).iterdir())
        return False

    def remember(self) -> None:
        """In a kernel that does not hand over anything: changes of Python that were handed over are no others."""
        if self._conditions and not self._depth:
            self._conditions = self._now()

    @staticmethod
    def _now() -> dict[str, Any]:
        path = {str(Path.cwd() / each) for each in sys.path}
        installed = [each for each in path if each.startswith((sys.prefix, sys.base_prefix)) and Path(each).exists()]
        root = logging.root
        return {
            **_copied(),
            "path": path,
            "folders": {each: Path(each).stat().st_mtime_ns for each in installed},
            "import": builtins.__import__,
            "logging": (root.level, root.handlers.copy(), root.manager.disable),
        }

    def hand_over(self, name: str) -> None:
        """Do what the import of a hidden module did, after that of its package, but without Python's import."""
        parent, _, child = name.rpartition(".")
        self._ask_for(parent)
        if name in sys.modules:
            return
        module = self.modules[name] if self._running else self.modules.pop(name)
        sys.modules[name] = self._handed[name] = module
        self._depth += 1
        for event in self._events[name]:
            if callable(event):
                event()
            else:
                self._ask_for(event)
        self._depth -= 1
        sys.modules[name] = sys.modules.pop(name)  # Python moves it to the end, too
        for each in self._children.get(name, ()):
            _put_back(module.__dict__, each, self._namespaces[name])
        if parent in sys.modules:
            setattr(sys.modules[parent], child, module)

    def _ask_for(self, name: str) -> None:
        if name in self.modules and name not in sys.modules:
            self.hand_over(name)


class _RunningModule:
    """A module that runs, and what it has done, in order. The name is empty for what is not recorded."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.events: dict[Event, None] = {}


class _FromShelf:
    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def create_module(self, spec: Any) -> Any:
        """Return a stand-in, because Python sets attributes of it."""
        return ModuleType(spec.name)

    def exec_module(self, module: Any) -> None:
        interval = sys.getswitchinterval()
        sys.setswitchinterval(UNDISTURBED)  # another thread must not see a part of it
        del sys.modules[module.__name__]  # the stand-in
        self._shelf.hand_over(module.__name__)
        sys.setswitchinterval(interval)
        self._shelf.remember()


class _Planted:
    def __init__(self, name: str, module: Any) -> None:
        self._name, self._module = name, module

    def __call__(self) -> None:
        main = sys.modules["__main__"]
        sys.modules.setdefault(self._name, main if self._name == MAIN_OF_CHILDREN else self._module)


class _StateChange:
    """A change of `_state`, which can be done again when there is more in it than there was."""

    def __init__(self, old: State, new: State) -> None:
        self._changed = {name: (old[name], new[name]) for name in new if old[name] != new[name]}

    def __call__(self) -> None:
        for name, (old, new) in self._changed.items():
            if name == "environ":
                for variable in old.keys() - new.keys():
                    os.environb.pop(variable, None)
                os.environb.update(new.items() - old.items())
            else:
                _change_list(LISTS[name](), old, new)
        Shelf.forget_filters()


def _change_list(values: list[Any], old: list[Any], new: list[Any]) -> None:
    """Do to a list what made `new` of `old`: entries are added at one place, and others removed there."""
    start, end = _same(old, new), _same(old[::-1], new[::-1])
    end = min(end, len(old) - start, len(new) - start)
    for each in old[start : len(old) - end]:
        if each in values:
            values.remove(each)
    index = len(values) if start and not end else start
    values[index:index] = new[start : len(new) - end]


def _same(one: list[Any], other: list[Any]) -> int:
    """Return how many entries at the start of two lists are the same."""
    return next(
        (at for at, (left, right) in enumerate(zip(one, other)) if left is not right), min(len(one), len(other))
    )


LISTS: dict[str, Callable[[], list[Any]]] = {
    "meta_path": lambda: sys.meta_path,
    "path_hooks": lambda: sys.path_hooks,
    "filters": lambda: warnings.filters,  # type: ignore[dict-item,return-value] # a list
    "ends of threads": lambda: getattr(threading, "_threading_atexits", []),
}


def _state() -> State:
    return {"environ": vars(os.environb)["_data"], **{name: values() for name, values in LISTS.items()}}


def _copied() -> State:
    return {name: value.copy() for name, value in _state().items()}


def _may_show(added: tuple[Any, ...]) -> bool:
    """Return whether a filter may show, or raise, warnings of any module."""
    action, _, category, module, _ = added
    return action != "ignore" and category.__module__ == "builtins" and module is None


def _loaded(spec: Any) -> Any:
    """Create a module and run it; let the one that takes a random number which no notebook sees put it back."""
    state = random.getstate() if spec.name == "rich.style" else None
    module = LOAD(spec)
    if state:
        random.setstate(state)
    return module


def _is(value: Any, kind: type) -> bool:
    """Do the same as `isinstance`, which would make proxies import what they stand for."""
    return issubclass(type(value), kind)


def _registries(modules: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return, by module and name, what modules define and what is in their collections and classes, as numbers."""
    found: dict[str, dict[str, int]] = {}
    seen: set[int] = set()  # the first module that has an object stands for all
    for module, names in [(name, vars(each)) for name, each in modules.items() if _is(each, ModuleType)]:
        numbers = found[module] = {
            name: NUMBER(value)
            for name, value in names.items()
            if not _is(value, ModuleType) and not name.startswith("__")
        }
        for name, value in list(names.items()):
            if type(value) not in PLAIN and NUMBER(value) not in seen:
                seen.add(NUMBER(value))
                numbers.update(_contents(name, value))
    return found


def _contents(name: str, value: Any) -> Iterator[tuple[str, int]]:
    """Yield the entries of a collection, or the attributes of an object, as numbers."""
    for kind, entries in COLLECTIONS:
        if _is(value, kind):
            yield f"{name} ", hash(tuple(map(NUMBER, entries(value))))
            return
    names: Any = {}
    with suppress(AttributeError):
        names = object.__getattribute__(value, "__dict__")
    if _is(value, type):
        yield f"{name} ", hash(tuple(NUMBER(each) for key, each in names.items() if key not in OF_CLASSES))
    for key, each in list(names.items()):
        if type(each) not in PLAIN:
            for kind, entries in COLLECTIONS:
                if _is(each, kind):
                    yield f"{name} {key}", hash(tuple(map(NUMBER, entries(each))))


def _changed(then: Mapping[str, Mapping[str, int]], now: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return the names in modules that were there before, and are no caches, whose numbers differ."""
    return [
        f"{module}.{name}"
        for module, numbers in now.items()
        if module in then and numbers != then[module]
        for name in numbers
        if numbers[name] != then[module].get(name) and not CACHES.search(f"{module}.{name}")
    ]


def _spying(asked: Callable[[str], None]) -> type:
    class Spec(ModuleSpec):  # type: ignore[misc] # known at run time only
        """The spec of a module. Each import of a module that is loaded reads this attribute, in C too."""

        @property
        def _initializing(self) -> bool:
            asked(self.name)
            return bool(self.__dict__.get("_initializing", False))

        @_initializing.setter
        def _initializing(self, value: bool) -> None:
            self.__dict__["_initializing"] = value

    return Spec


def _put_back(names: dict[str, Any], name: str, then: dict[str, Any]) -> None:
    if name in then:
        names[name] = then[name]
    else:
        names.pop(name, None)


# Warnings and tracebacks leave out Python's own frames of an import, by their file; so they do with these.
for _each in (Shelf._load, Shelf._handle_fromlist, _loaded):  # noqa: SLF001 - of this module
    _each.__code__ = _each.__code__.replace(co_filename=LOAD.__code__.co_filename)
