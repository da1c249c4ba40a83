"""The doctor's looks at an installation: what is wrong with it, and how to mend that."""

import errno
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from typing import Literal
from urllib.parse import urlsplit

import torch
from packaging.requirements import Requirement
from threadpoolctl import threadpool_info

from app.commands.speed import LEARNERS, SAMPLES, Speed
from app.protocol.shown import shown
from app.serving.machine import Machine
from app.serving.open_files import allowed, needed
from app.settings import Settings
from model.checkpoint import versions

MIB = 2**20

WORKER_BYTES = 600 * MIB
"""A server and its training process: 520 MiB with nobody there, and a little for what comes."""

VIEWER_BYTES = 100_000

LEAST_UPDATES = 500
"""Updates a second of one compiled learner alone. One with two cores that others used too made 27,000 to 48,000."""

LEAST_SHARE = 0.8
"""The share of a core that a benchmark of one thread should get."""

LARGEST_ERROR = 0.02
"""Of the pretrained model's predictions, root mean square; it is 0.002 where all is well."""

STREAMED = 0.2
"""The share of bare learners' updates that remains once each update is encoded, sent and acknowledged."""


@dataclass(frozen=True)
class Finding:
    """The result of one look. `mend` says what to do about it, where something can be done."""

    name: str
    level: Literal["ok", "note", "wrong"]
    says: str
    mend: str = ""


def findings(settings: Settings, machine: Machine, measure: Callable[[], Speed]) -> Iterator[Finding]:
    """One look after the other; the last one takes about a second."""
    yield from _versions()
    yield _processors(settings, machine)
    yield _threads()
    yield _memory(settings, machine)
    yield _open_files(settings)
    yield _models_folder(settings)
    yield _address(settings, machine)
    yield from _origins(settings)
    yield from _optional()
    yield from _speed(settings, measure())


def _versions() -> Iterator[Finding]:
    found = versions()
    says = ", ".join(f"{name} {number}" for name, number in found.items())
    yield Finding("versions", "ok", f"Python {sys.version.split()[0]}, {says}")
    for line in requires("unrolled") or ():
        package = Requirement(line)
        if package.marker is not None and not package.marker.evaluate({"extra": ""}):
            continue
        try:
            there = version(package.name)
        except PackageNotFoundError:
            there = "none"
        if there == "none" or not package.specifier.contains(there, prereleases=True):
            mend = "install again: make run, or pip install -c constraints.txt -e ."
            yield Finding("versions", "wrong", f"{package.name}{package.specifier} is needed, {there} is here", mend)


def _processors(settings: Settings, machine: Machine) -> Finding:
    bound = "no quota" if machine.quota is None else f"a quota of {machine.quota:g}"
    workers = f"{settings.workers} worker{'s' * (settings.workers > 1)}"
    says = f"{machine.cores} cores, {bound}; {workers}, each with a training process"
    if machine.share < 1:
        return Finding("processors", "wrong", says, "give it a whole core at least: pages stutter with less")
    if settings.workers > machine.share:
        return Finding(
            "processors", "wrong", says, f"UNROLLED_WORKERS={int(machine.share)}: more only get in each other's way"
        )
    return Finding("processors", "ok", says)


def _threads() -> Finding:
    blas = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    says = f"torch {torch.get_num_threads()}, BLAS {', '.join(map(str, blas)) or 'none'}"
    if torch.get_num_threads() != 1 or set(blas) - {1}:
        mend = (
            "something sets threads after Unrolled did: it needs one each, else a run's numbers depend on the machine"
        )
        return Finding("threads", "wrong", says, mend)
    return Finding("threads", "ok", f"{says}: one each, so that a run's numbers are the same everywhere")


def _memory(settings: Settings, machine: Machine) -> Finding:
    full = settings.workers * (WORKER_BYTES + settings.max_viewers * VIEWER_BYTES)
    says = f"a full hall takes about {full // MIB} MiB"
    if machine.memory is None:
        return Finding("memory", "note", f"{says}; how much there is cannot be told here")
    says = f"{machine.memory // MIB} MiB may be used, {says}"
    if machine.memory < full:
        return Finding("memory", "wrong", says, "allow more, or lower UNROLLED_MAX_VIEWERS or UNROLLED_WORKERS")
    return Finding("memory", "ok", says)


def _open_files(settings: Settings) -> Finding:
    may, want = allowed(), needed(settings.max_viewers)
    if may is None:
        return Finding("open files", "ok", "without a limit")
    says = f"{may} may be open, a full hall of {settings.max_viewers} may need {want}"
    if may < want:
        return Finding("open files", "wrong", says, f"ulimit -n {want}, or docker run --ulimit nofile={want}")
    return Finding("open files", "ok", says)


def _models_folder(settings: Settings) -> Finding:
    above = settings.models_dir.absolute()
    folder = shown(str(above))
    if settings.max_models == 0:
        return Finding("models", "ok", "no uploads are kept")
    try:
        while not above.exists():
            above = above.parent
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        mend = "mount a volume there, set UNROLLED_MODELS_DIR, or keep no uploads: UNROLLED_MAX_MODELS=0"
        return Finding("models", "wrong", f"{folder}: {error.strerror}", mend)
    free = shutil.disk_usage(above).free
    says = f"{folder} can be written, {free // MIB} MiB are free, {settings.max_models_bytes // MIB} may be used"
    if free < settings.max_models_bytes:
        return Finding("models", "wrong", says, "free some, or lower UNROLLED_MAX_MODELS_BYTES")
    return Finding("models", "ok", says)


def _address(settings: Settings, machine: Machine) -> Finding:
    where = f"{settings.host} port {settings.port}"
    if machine.is_container and settings.host in ("127.0.0.1", "localhost", "::1"):
        mend = "UNROLLED_HOST=0.0.0.0"
        return Finding("address", "note", f"{where}: inside a container nobody outside reaches that", mend)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((settings.host, settings.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                mend = "fine if that is Unrolled; else UNROLLED_PORT, or make run PORT=…"
                return Finding("address", "note", f"{where} is taken", mend)
            return Finding("address", "wrong", f"{where}: {error.strerror}", "set UNROLLED_HOST and UNROLLED_PORT")
    return Finding("address", "ok", f"{where} is free")


def _origins(settings: Settings) -> Iterator[Finding]:
    for origin in settings.allowed_origins:
        try:
            parts = urlsplit(origin)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path:
            mend = "an origin is a scheme and a host, such as https://example.org"
            yield Finding("origins", "wrong", f"UNROLLED_ALLOWED_ORIGINS: {shown(origin)} matches no browser's", mend)
    if settings.max_viewers_per_address and not os.environ.get("FORWARDED_ALLOW_IPS"):
        says = "visitors of one address are counted together, and FORWARDED_ALLOW_IPS is not set"
        mend = "behind a proxy set it to the proxy's address, or all visitors have that one"
        yield Finding("addresses", "note", says, mend)


def _optional() -> Iterator[Finding]:
    for what, module, extra in (("TensorFlow", "tensorflow", "tensorflow"), ("ONNX Runtime", "onnxruntime", "onnx")):
        if find_spec(module) is not None:
            yield Finding("optional", "ok", f"{what} is installed")
        else:
            yield Finding(
                "optional",
                "note",
                f"{what} is not installed",
                f"make run EXTRAS=graphs, or pip install 'unrolled[{extra}]'",
            )
    if shutil.which("g++") is None and shutil.which("clang++") is None:
        yield Finding("optional", "note", "no C++ compiler: the graph lab cannot compile", "install g++")


def _speed(settings: Settings, speed: Speed) -> Iterator[Finding]:
    viewers = int(STREAMED * speed.updates_together / 20)
    says = (
        f"one compiled learner alone {speed.updates_alone:,.0f} updates/s, "
        f"{LEARNERS} together {speed.updates_together:,.0f}, "
        f"{speed.predictions:,.0f} predictions/s of {SAMPLES} samples"
    )
    if speed.updates_alone < LEAST_UPDATES:
        yield Finding(
            "speed", "wrong", says, "a faster processor, or a lower UNROLLED_MAX_VIEWERS: the hall will be slow"
        )
    else:
        yield Finding("speed", "ok", says)
    if speed.share < LEAST_SHARE:
        says = f"the benchmark was given {speed.share:.0%} of a core: look again, or the figures are of a busy moment"
        yield Finding(
            "speed", "note", says, "look for a processor quota that is used up, or for neighbours that are busy"
        )
    if viewers < settings.max_viewers:
        says = f"about {viewers} viewers could have 20 updates/s each, and {settings.max_viewers} are let in"
        fewer = f"UNROLLED_MAX_VIEWERS={max(1, viewers)}"
        mend = f"fine if a slower hall is; else {fewer}, more cores with UNROLLED_WORKERS, or servers"
        yield Finding("speed", "note", says, mend)
    if speed.error > LARGEST_ERROR:
        mend = "its numbers come out wrong here: install again, and report the line `versions`"
        yield Finding("speed", "wrong", f"the pretrained model is off by {speed.error:.3f}", mend)
