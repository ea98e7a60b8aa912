"""Try mutants: each in a fork of a process that has collected the tests, with the tests that reach its lines.

A change inside a function is put into that function's code. One in a module's own lines is there before the module is
imported, so its fork imports everything again. A test that fails, a process that dies and one that does not end kill it.
"""

from __future__ import annotations

import ast
import functools
import gc
import hashlib
import importlib.abc
import importlib.machinery
import itertools
import json
import os
import resource
import signal
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

import pytest
from _pytest.runner import runtestprotocol
from coverage import Coverage

from ops.record_schemas import SCHEMAS, schema_finding
from tests.mutants.mutations import PACKAGE, ROOT, Key, Module, Mutant

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

TESTS: Final = ROOT / "tests" / "unit"
LEFT_OUT: Final = (
    "test_creditcard_example.py",  # of other code than the package's
    "test_delivery_commands.py",  # as well
    "test_linear_reading.py",  # it measures time: another load fails it, whatever the mutant
    "test_report_in_browser.py",  # its browser is no fork's
)
"""Tests that say nothing of a mutant."""
ELSEWHERE: Final = frozenset(
    f"tests/unit/test_simulation.py::{name}"
    for name in (
        "test_models_shared_out_over_processes_come_to_the_same",
        "test_what_is_wrong_with_a_file_is_said_by_whichever_process_meets_it",
        "test_a_file_that_changes_while_it_is_read_is_no_answer",
        "test_a_process_that_starts_hears_no_ctrl_c_and_ends_when_nobody_waits_for_it",
    )
)
"""Tests that start processes, which have no mutant: whatever it is, what they count differs from what this one does."""
CACHE: Final = ROOT / "build" / "mutants"
PATIENCE: Final = 10.0
"""Seconds of CPU a mutant may take beyond ten times what its tests take; ten times that on the clock, should it wait."""
TOLD_SECONDS: Final = 15.0
"""Between two lines that say how many tests were run without a mutant."""
SLOW: Final = 0.2
"""Seconds from which a test comes after all others."""
MEMORY: Final = 4 << 30
"""Bytes a mutant may take."""

QUIET: Final = [
    *("-p", "no:cacheprovider", "-p", "no:terminal", "-p", "no:xdist", "-p", "no:timeout"),
    *("-s", "-o", "addopts=", f"--rootdir={ROOT}", "--assert=plain"),
]
"""Arguments of a pytest that says nothing, in one process."""

NO_END: Final = "no end"
NO_IMPORT: Final = "import"
WITHOUT_TEST: Final = frozenset({NO_END, NO_IMPORT})
"""What kills without a test's name: it does not end, or cannot be imported."""

IMPORT: Final = "import of "
"""Before the name of a test file whose import reaches a line."""

Lines = dict[str, dict[int, list[str]]]
"""Which tests, and imports of test files, reach a line; by module."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant: the test that killed it, or None; how many tests reach it; seconds."""

    killed_by: str | None
    tests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Reach:
    """Which tests reach which lines, and how many seconds each test takes."""

    lines: Lines
    seconds: dict[str, float]
    counts: Counter[str]
    """How many lines each test reaches: the fewer, the more it says of each."""

    def of(self, module: Module, mutant: Mutant, mentions: Mentions, limit: float) -> tuple[list[str], bool]:
        """Names of the tests that may notice a mutant, the nearest and the quickest in turns, within ``limit`` seconds.

        With them: True when the mutant has to be there before the tests are imported.
        """
        if mutant.outermost:
            reached = [self.lines.get(module.path, {}).get(line, []) for line in mutant.lines]
        else:
            reached = [self.lines.get(path, {}).get(line, []) for path, line in mentions.lines(mutant.names)]
            reached.append([*mentions.tests(mutant.names)])
        found = {test for line in reached for test in line}
        files = {test.removeprefix(IMPORT) for test in found if test.startswith(IMPORT)}
        tests = {test for test in self.seconds if test in found or test.split("::")[0] in files}
        if not tests and not mutant.outermost:
            tests = {test for line in self.lines.get(module.path, {}).values() for test in line if test in self.seconds}
        # First those of the module's own file, last those that only may notice, since their file reaches the lines as it is
        # imported; slow ones late.
        own = {test for test in tests & found if f"/test_{Path(module.path).stem}.py::" in test}
        turns = [test for group in (own, (tests & found) - own, tests - found) for test in self._in_turns(group)]
        ordered = sorted(turns, key=lambda test: (test not in found, self.seconds[test] > SLOW))
        taken = accumulate(self.seconds[test] for test in ordered)
        chosen = [
            test
            for position, (test, spent) in enumerate(zip(ordered, taken, strict=True))
            if not position or spent <= limit
        ]
        return chosen, bool(files) or not mutant.outermost

    def _in_turns(self, tests: set[str]) -> dict[str, None]:
        """In an order: the nearest reach the fewest lines, and are much alike, so every other one is of the quickest."""
        nearest = sorted(tests, key=lambda test: (self.counts[test], test))
        quickest = sorted(tests, key=lambda test: (self.seconds[test], test))
        return dict.fromkeys(itertools.chain.from_iterable(zip(nearest, quickest, strict=True)))


class Mentions:
    """Who names something: lines of the package's functions, and tests, in themselves or in their file's own lines."""

    def __init__(self, items: Mapping[str, pytest.Item]) -> None:
        self._tests: dict[str, set[str]] = defaultdict(set)
        for test, item in items.items():
            if isinstance(item, pytest.Function) and isinstance(item.function, FunctionType):
                for code in _codes(item.function.__code__):
                    for name in code.co_names:
                        self._tests[name].add(test)
        by_file: dict[Path, set[str]] = defaultdict(set)
        for test, item in items.items():
            by_file[item.path].add(test)
        for file, tests in by_file.items():
            for statement in ast.parse(file.read_text(encoding="utf-8")).body:
                # What stands in a file's own lines, as a table of cases does, may be what any test of it looks at.
                if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
                    for node in ast.walk(statement.value):
                        if isinstance(node, ast.Name):
                            self._tests[node.id] |= tests

    def lines(self, names: frozenset[str]) -> set[tuple[str, int]]:
        """Lines of the functions that name one of these."""
        return {line for name in names for line in _lines_naming().get(name, ())}

    def tests(self, names: frozenset[str]) -> set[str]:
        """Tests that name one of these."""
        return {test for name in names for test in self._tests.get(name, ())}


@functools.cache
def _lines_naming() -> dict[str, set[tuple[str, int]]]:
    """Lines of the package's functions by the names that stand in them; they do not change during a run."""
    found: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for file in PACKAGE.rglob("*.py"):
        path = file.relative_to(PACKAGE).as_posix()
        for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                lines = {(path, line) for line in range(function.lineno, (function.end_lineno or 0) + 1)}
                for node in ast.walk(function):
                    if isinstance(node, ast.Name | ast.Attribute):
                        found[node.id if isinstance(node, ast.Name) else node.attr] |= lines
                found[function.name] |= lines
    return found


def try_all(
    tried: Sequence[tuple[Module, Mutant]],
    *,
    workers: int,
    limit: float,
    told: Callable[[Mutant, Verdict], None],
    killers: Mapping[Key, str] | None = None,
) -> None:
    """Try mutants and tell of each as it is known.

    Args:
        tried: the mutants with their modules.
        workers: how many at once.
        limit: seconds of tests for each mutant, the nearest and the quickest in turns.
        told: hears of each, in no certain order.
        killers: the test to try each with, as ``file::name``, instead of those that reach it.

    Raises:
        RuntimeError: a test fails without any mutant, so that none can be told from it.
    """
    plugin = _Trials(tried, workers, limit, told, killers)
    files = test_files() if killers is None else sorted({ROOT / test.split("::")[0] for test in killers.values()})
    pytest.main([*QUIET, *map(str, files)], plugins=[plugin])
    if plugin.error:
        raise RuntimeError(plugin.error)


class _Terse:
    """A failure is counted and nobody reads it, so no source is looked up for it."""

    def pytest_configure(self, config: pytest.Config) -> None:
        config.option.tbstyle = "native"


class _Trials(_Terse):
    """Takes pytest's run over once it has collected."""

    def __init__(
        self,
        tried: Sequence[tuple[Module, Mutant]],
        workers: int,
        limit: float,
        told: Callable[[Mutant, Verdict], None],
        killers: Mapping[Key, str] | None,
    ) -> None:
        self._tried = tried
        self._workers = workers
        self._limit = limit
        self._told = told
        self._killers = killers
        self._watch = _watching()
        self.error = "The tests could not be collected."

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        if self._killers is not None or not isinstance(collector, pytest.Module):
            return (yield)
        self._watch.start()
        self._watch.switch_context(f"{IMPORT}{collector.nodeid}")
        try:
            return (yield)
        finally:
            self._watch.stop()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            return True
        self.error = ""
        try:
            found = {item.nodeid: item for item in session.items}
            self._loop({name: item for name, item in found.items() if name.split("[")[0] not in ELSEWHERE})
        except RuntimeError as error:
            self.error = str(error)
        return True

    def _loop(self, items: dict[str, pytest.Item]) -> None:
        if self._killers is None:
            reach, mentions = _reach(items, _lines(self._watch)), Mentions(items)
        else:
            reach, mentions = Reach({}, dict.fromkeys(items, 0.0), Counter()), None
        functions = _functions()
        for schema in SCHEMAS.glob("*.schema.json"):
            # Each kind's validator is made when it is first asked, which most forks else would do for themselves.
            schema_finding({"kind": schema.name.removesuffix(".schema.json")})
        # What is there before the forks is looked at by none of their collections, and so copied by none.
        gc.collect()
        gc.freeze()
        killers: dict[tuple[str, str], list[str]] = defaultdict(list)
        running: dict[int, tuple[Mutant, int, int, float]] = {}
        for module, mutant in self._tried:
            if self._killers is None:
                assert mentions is not None
                tests, afresh = reach.of(module, mutant, mentions, self._limit)
            else:
                tests = [name for name in items if name.split("[")[0] == self._killers[mutant.key]]
                afresh = not mutant.outermost
            # What killed its neighbours comes first.
            known = [test for test in killers[module.path, mutant.function] if test in tests]
            tests = [*known, *(test for test in tests if test not in known)]
            if not tests:
                self._told(mutant, Verdict(None, 0, 0.0))
                continue
            while len(running) >= self._workers:
                self._collect(running, killers)
            patience = PATIENCE + 10 * sum(reach.seconds[test] for test in tests)
            reading, writing = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(reading)
                there = {} if afresh else functions
                _trial(module, mutant, [items[test] for test in tests], there, patience, writing)
            os.close(writing)
            running[pid] = mutant, len(tests), reading, time.monotonic()
        while running:
            self._collect(running, killers)

    def _collect(
        self, running: dict[int, tuple[Mutant, int, int, float]], killers: dict[tuple[str, str], list[str]]
    ) -> None:
        pid, status = os.wait()
        mutant, count, reading, began = running.pop(pid)
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read().decode()
        if os.WIFSIGNALED(status):
            killed_by: str | None = NO_END
        elif os.WEXITSTATUS(status) > 1:
            raise RuntimeError(f"It could not be tried: {mutant.name}")
        else:
            killed_by = answer or None
        if answer:
            seen = killers[mutant.module, mutant.function]
            if answer in seen:
                seen.remove(answer)
            seen.insert(0, answer)
            del seen[5:]
        self._told(mutant, Verdict(killed_by, count, round(time.monotonic() - began, 2)))


# In the fork.


def _trial(
    module: Module,
    mutant: Mutant,
    items: list[pytest.Item],
    functions: dict[tuple[str, str], list[FunctionType]],
    patience: float,
    answer: int,
) -> None:
    """Run tests with the mutant until one fails. Exit status 0: all passed. Does not come back."""
    status = 2
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        # By CPU first: on a machine that has other work, every mutant takes long on the clock.
        signal.setitimer(signal.ITIMER_PROF, patience)
        signal.setitimer(signal.ITIMER_REAL, 10 * patience)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        code = module.compile(mutant)
        if _swap(module, mutant, code, functions):
            failed = next((item.nodeid for item, following in _with_next(items) if _fails(item, following)), None)
        else:
            failed = _afresh(module, code, [item.nodeid for item in items])
        if failed is not None:
            os.write(answer, failed.encode())
        status = 0 if failed is None else 1
    finally:
        os._exit(status)


def _fails(item: pytest.Item, following: pytest.Item | None) -> bool:
    """Run a test. What the following one needs too, such as a module's fixture, stays."""
    if os.getppid() == 1:
        os._exit(2)  # Whoever wanted to know is gone.
    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=following))


def _with_next(items: Iterable[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    ahead = [*items]
    return zip(ahead, [*ahead[1:], None], strict=True)


def _swap(module: Module, mutant: Mutant, code: CodeType, functions: dict[tuple[str, str], list[FunctionType]]) -> bool:
    """Put a mutant into the functions that are there. False when they hold on to something it does not have."""
    changed = [found for found in _codes(code) if found.co_qualname == mutant.outermost]
    there = functions.get((module.path, mutant.outermost), [])
    by_line = {found.co_firstlineno: found for found in changed}
    if not there or any(function.__code__.co_firstlineno not in by_line for function in there):
        return False
    try:
        for function in there:
            function.__code__ = by_line[function.__code__.co_firstlineno]
    except ValueError:
        return False
    _forget(module)
    return True


def _forget(module: Module) -> None:
    """Have the functions of a mutant's module find out anew what they found out before it was one."""
    parts = [part for part in Path(module.path).with_suffix("").parts if part != "__init__"]
    for thing in vars(sys.modules[".".join([PACKAGE.name, *parts])]).values():
        if (clear := getattr(thing, "cache_clear", None)) is not None:
            clear()


def _afresh(module: Module, code: CodeType, tests: list[str]) -> str | None:
    """Import everything again with the mutant, and run the tests. The first that fails, or ``NO_IMPORT``."""
    for name, loaded in list(sys.modules.items()):
        file = getattr(loaded, "__file__", None) or ""
        ours = file.startswith(str(ROOT)) and f"{os.sep}.venv{os.sep}" not in file
        if (ours or name.split(".")[0] in {"tests", "orchestration"}) and not name.startswith("tests.mutants"):
            del sys.modules[name]
    name = ".".join(("orchestration", *Path(module.path).with_suffix("").parts)).removesuffix(".__init__")
    sys.meta_path.insert(0, _Finder(name, module.file, code))
    first = _First(tests)
    files = sorted({test.split("::", 1)[0] for test in tests})
    status = pytest.main([*QUIET, *(str(ROOT / file) for file in files)], plugins=[first])
    if first.failed is None and status not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        return NO_IMPORT
    return first.failed


class _First(_Terse):
    """Runs chosen tests in an order, and stops at the first that fails."""

    def __init__(self, tests: list[str]) -> None:
        self._tests = tests
        self.failed: str | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if not session.testsfailed:
            items = {item.nodeid: item for item in session.items}
            # A test whose parameters came from the changed lines may be gone.
            gone = [test for test in self._tests if test not in items]
            there = [items[test] for test in self._tests if test in items]
            failed = (item.nodeid for item, following in _with_next(there) if _fails(item, following))
            self.failed = gone[0] if gone else next(failed, None)
        return True


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module a mutant's code."""

    def __init__(self, name: str, file: str, code: CodeType) -> None:
        self._name, self._file, self._code = name, file, code

    def find_spec(self, fullname: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        spec = importlib.machinery.ModuleSpec(fullname, self, origin=self._file)
        if self._file.endswith("__init__.py"):
            spec.submodule_search_locations = [str(Path(self._file).parent)]
        spec.has_location = True
        return spec

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)  # noqa: S102 - the module's own code with one change


# What tests reach.


def _reach(items: dict[str, pytest.Item], imports: Lines) -> Reach:
    """Run every test once without a mutant, in a fork, or take what that showed before.

    Args:
        items: the tests by name.
        imports: lines that the imports of test files reach.

    Raises:
        RuntimeError: a test fails.
    """
    files = {name.split("::")[0] for name in items}
    kept = CACHE / "reach.json"
    base = _digest(*sorted(PACKAGE.rglob("*.py")), *sorted(set(TESTS.glob("*.py")) - set(TESTS.glob("test_*.py"))))
    found = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    if found.get("base") != base:
        found = {"base": base, "files": {}}
    known = found["files"]
    fresh = {file for file in files if known.get(file, {}).get("digest") != _digest(ROOT / file)}
    if fresh:
        measured = {name: item for name, item in items.items() if name.split("::")[0] in fresh}
        print(
            f"Running {len(measured)} tests without a mutant to see what each reaches, which takes\n"
            "minutes, again whenever the package changed.",
            flush=True,
        )
        known |= _in_a_fork(lambda: _measure(measured))
        failed = [test for file in files for test in known[file]["failed"]]
        if failed:
            raise RuntimeError(f"Without a mutant fails already: {', '.join(failed)}")
        CACHE.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(found), encoding="utf-8")
    lines: Lines = {}
    for reached in (imports, *(known[file]["lines"] for file in sorted(files))):
        for path, of in reached.items():
            for line, names in of.items():
                lines.setdefault(path, {}).setdefault(int(line), []).extend(names)
    seconds = {test: spent for file in files for test, spent in known[file]["seconds"].items() if test in items}
    counts = Counter(test for of in lines.values() for tests in of.values() for test in tests)
    return Reach(lines, seconds, counts)


def _in_a_fork(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``work`` gives, which is JSON; nothing else of it stays in this process."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 2
        try:
            os.close(reading)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            with os.fdopen(writing, "w", encoding="utf-8") as pipe:
                json.dump(work(), pipe)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        answer = pipe.read()
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError("The tests could not be run without a mutant.")
    given: dict[str, Any] = json.loads(answer)
    return given


def _measure(items: dict[str, pytest.Item]) -> dict[str, Any]:
    """By test file: its digest, the lines each of its tests reaches, how many seconds each takes, and which fail."""
    by_file: dict[str, dict[str, pytest.Item]] = defaultdict(dict)
    for name, item in items.items():
        by_file[name.split("::")[0]][name] = item
    measured: dict[str, Any] = {}
    told = time.monotonic()
    for file, tests in by_file.items():
        if time.monotonic() - told > TOLD_SECONDS:
            told, done = time.monotonic(), sum(len(each["seconds"]) for each in measured.values())
            sys.stderr.write(f"{done} of {len(items)} tests\n")
        watch = _watching()
        seconds, failed = {}, []
        watch.start()
        for item, following in _with_next(tests.values()):
            watch.switch_context(item.nodeid)
            began = time.process_time()
            if _fails(item, following):
                failed.append(item.nodeid)
            seconds[item.nodeid] = round(time.process_time() - began, 4)
        watch.stop()
        measured[file] = {
            "digest": _digest(ROOT / file),
            "lines": _lines(watch),
            "seconds": seconds,
            "failed": failed,
        }
    return measured


def _watching() -> Coverage:
    """What sees which lines of the package are reached; that some test file reaches none is no warning."""
    watch = Coverage(data_file=None, include=[f"{PACKAGE}/*"], config_file=False)
    watch.set_option("run:disable_warnings", ["no-data-collected"])
    return watch


def _lines(watch: Coverage) -> Lines:
    data = watch.get_data()
    return {
        Path(file).relative_to(PACKAGE).as_posix(): {
            line: [name for name in names if name] for line, names in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
    }


def test_files() -> list[Path]:
    """Files of the tests that mutants are tried with."""
    return sorted(file for file in TESTS.glob("test_*.py") if file.name not in LEFT_OUT)


def digest_of_tests() -> str:
    """A digest of the package, of all its tests, and of how they are chosen."""
    return _digest(*sorted(PACKAGE.rglob("*.py")), *sorted(TESTS.glob("*.py")), Path(__file__))


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _functions() -> dict[tuple[str, str], list[FunctionType]]:
    """Every function of the package that is there, by module and qualified name."""
    gc.unfreeze()  # what is frozen is not among the objects, and the tests' own conftest.py freezes what was collected
    found: dict[tuple[str, str], list[FunctionType]] = defaultdict(list)
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType) and thing.__code__.co_filename.startswith(str(PACKAGE)):
            path = Path(thing.__code__.co_filename).relative_to(PACKAGE).as_posix()
            found[path, thing.__code__.co_qualname].append(thing)
    return found


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
