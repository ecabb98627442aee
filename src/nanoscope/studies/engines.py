"""Engines, which run a study's stages: local processes, Dask or SLURM. Each takes a function and returns a future.

The library depends only on `concurrent.futures`; each cluster engine is a small adapter, imported when used. The engine does
not affect results: every process has one thread, and a stage is a top-level function of plain values.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from nanoscope.errors import NanoscopeError

ENGINES = "local, dask[:ADDRESS] or slurm[:PARTITION]"
ONE_THREAD: dict[str, str] = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
CONNECT_SECONDS = 15
SLURM_JOBS = 16
SLURM_JOB = {"cpus_per_task": 1, "mem_gb": 8, "timeout_min": 24 * 60, "name": "nanoscope"}
# Raised by dask and submitit when the process that ran a stage has died.
LOST = {"KilledWorker", "UncompletedJobError"}


@dataclass(frozen=True)
class Engine:
    """Runs functions in other processes, `slots` of them at once."""

    submit: Callable[..., Future[Any]]
    slots: int


def open_executor(where: str, workers: int, folder: Path) -> AbstractContextManager[Engine]:
    """Open the engine named by `where` with `workers` processes (0: two, or all of an existing cluster).

    Leaving the block by an exception stops running stages, as far as the engine can.
    """
    kind, _, address = where.partition(":")
    local_workers = workers or min(2, os.cpu_count() or 1)
    if kind == "local" and not address:
        return _local(local_workers)
    if kind == "dask":
        return _dask(address, workers) if address else _own_dask(local_workers)
    if kind == "slurm":
        partition = {"slurm_partition": address} if address else {}
        return submitit_engine("slurm", workers or SLURM_JOBS, folder / "slurm", **partition)
    raise NanoscopeError(f"there is no engine {where!r}; --cluster takes {ENGINES}")


def lost(error: BaseException) -> bool:
    """Did the process die, rather than the stage fail? Then the stage may be retried."""
    return isinstance(error, (BrokenExecutor, CancelledError)) or type(error).__name__ in LOST


# ---- this machine --------------------------------------------------------------------------------------------------


@contextmanager
def _local(workers: int) -> Iterator[Engine]:
    """Spawned processes, since a fork of a process that has used torch may hang.

    Every worker holds the reading end of a pipe whose only writing end belongs to the driver. When the driver ends, in
    whatever way, the pipe closes and the worker exits.
    """
    context = get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, initializer=_end_with_driver, initargs=(reader,))
    with _environment(ONE_THREAD):  # for the whole block: the pool starts processes on demand
        try:
            yield Engine(partial(_uninterrupted, pool.submit), workers)
            pool.shutdown()
        finally:
            writer.close()
            pool.shutdown(cancel_futures=True)
            reader.close()


def _uninterrupted(submit: Callable[..., Future[Any]], *task: Any) -> Future[Any]:
    """Submit with Ctrl-C blocked: a process started by it inherits this, and leaves Ctrl-C to the driver."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return submit(*task)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_driver(reader: Connection) -> None:
    """Initialise a worker so that it does not outlive the driver."""
    threading.Thread(target=_wait_for_end, args=(reader,), daemon=True).start()


def _wait_for_end(reader: Connection) -> None:
    with suppress(EOFError, OSError):
        reader.recv()
    os._exit(1)


# ---- Dask ----------------------------------------------------------------------------------------------------------


@contextmanager
def _own_dask(workers: int) -> Iterator[Engine]:
    """A Dask cluster on this machine's loopback interface, without dashboard, which would listen on all interfaces."""
    distributed = _package("distributed")
    with (
        _environment(ONE_THREAD),
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, memory_limit=None, silence_logs="ERROR"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield from _dask_engine(client, workers)


@contextmanager
def _dask(address: str, workers: int) -> Iterator[Engine]:
    distributed = _package("distributed")
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise NanoscopeError(f"no Dask scheduler answers at {address} ({error}); give --cluster dask:ADDRESS") from None
    with client:
        yield from _dask_engine(client, workers or sum(client.nthreads().values()) or 1)


def _dask_engine(client: Any, slots: int) -> Iterator[Engine]:
    executor = client.get_executor(pure=False)
    try:
        yield Engine(executor.submit, slots)
    finally:
        executor.shutdown(wait=False)


# ---- SLURM ---------------------------------------------------------------------------------------------------------


@contextmanager
def submitit_engine(cluster: str, jobs: int, folder: Path, **settings: Any) -> Iterator[Engine]:
    """Each stage is a job, at most `jobs` of them queued or running at once; `cluster` is "slurm", "local" or "debug".

    One thread waits for each job, since submitit's jobs are not futures.
    """
    submitit = _package("submitit")
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
    except RuntimeError as error:
        raise NanoscopeError(f"SLURM does not answer ({error}); run this on a machine that has sbatch") from None
    executor.update_parameters(**(SLURM_JOB | settings))
    started: list[Any] = []

    def finish(call: Callable[..., Any], *args: Any) -> Any:
        job = executor.submit(call, *args)
        started.append(job)
        return job.result()

    with ThreadPoolExecutor(jobs) as threads:
        try:
            yield Engine(lambda call, *args: threads.submit(finish, call, *args), jobs)
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            for job in started:
                job.cancel(check=False)
            raise


# ---- shared --------------------------------------------------------------------------------------------------------


def _package(name: str) -> Any:
    """Import an optional package; NanoscopeError with the install command if it is missing."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise NanoscopeError(
            f'this engine needs the package {name}; install it with: pip install "nanoscope[cluster]"'
        ) from None


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables, inherited by started processes, and restore the old values afterwards."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
