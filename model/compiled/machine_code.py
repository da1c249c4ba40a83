"""Machine code: kernels compiled for this processor, kept in files that need no writing where they are there already.

Numba has a cache of its own, but asks for a folder it may write to before it looks into one that is ready, and takes a
fifth of a second to be imported. What it compiles here is kept as LLVM's object code, which LLVM alone loads.
"""

import ctypes
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Literal

import llvmlite.binding as llvm

from model.recipe import Cell

CELLS: tuple[Cell, ...] = ("rnn", "gru", "lstm")

BESIDE = Path(__file__).parent / "objects"
"""Where an image keeps what it compiled when it was built: nobody needs to write there later."""

SOURCES = ("kernel.py", "layout.py", "room.py", "machine_code.py", "../optimizer.py")

Kernel = Callable[[int, float, float, int, int], float]
"""Makes an update: the addresses of a plan, of a network's rows and of a room, and Adam's two rates, or SGD's and 0."""


@cache
def processor() -> str:
    """What code is compiled for: the processor's name to LLVM, and a digest of what it can do."""
    return f"{llvm.get_host_cpu_name()} {_digest(llvm.get_host_cpu_features().flatten())[:8]}"


@cache
def versions() -> dict[str, str]:
    """What the numbers of compiled code depend on."""
    compiler = f"{metadata.version('numba')} {metadata.version('llvmlite')}"
    return {"numba": compiler, "compiled_for": processor()}


@cache
def kernel(cell: Cell, kind: Literal["float32", "float64"]) -> Kernel:
    """The kernel of a cell: from a file, or compiled now, which takes seconds, and kept where that can be."""
    name = f"{cell}-{kind}"
    for folder in (BESIDE, *_user_folder()):
        with suppress(OSError):
            return _loaded(name, _checked((folder / _file(name)).read_bytes()))
    code = _compiled(name, cell, kind)
    _keep(_file(name), code)
    return _loaded(name, code)


def compile_all() -> None:
    """Have the kernels of all cells at hand: what is in no file is compiled now, some seconds each."""
    for cell in CELLS:
        kernel(cell, "float32")


def compile_beside() -> None:
    """Compile the kernels of all cells into `BESIDE`."""
    for cell in CELLS:
        name = f"{cell}-float32"
        _write(BESIDE / _file(name), _compiled(name, cell, "float32"))


def _user_folder() -> Iterator[Path]:
    """The one that is the user's own, where there is such a thing."""
    kept = os.environ.get("XDG_CACHE_HOME")
    with suppress(RuntimeError):  # who has no home
        yield (Path(kept) if kept else Path.home() / ".cache") / "unrolled"


@cache
def _key() -> str:
    """Of everything that decides the code: our sources, the compilers, and the processor."""
    here = Path(__file__).parent
    sources = b"".join((here / name).read_bytes() for name in SOURCES)
    return _digest(f"{versions()} {llvm.get_host_cpu_features().flatten()} {llvm.get_process_triple()}", sources)[:16]


def _file(name: str) -> str:
    return f"{name}-{_key()}.o"


def _digest(text: str, more: bytes = b"") -> str:
    return hashlib.sha256(text.encode() + more).hexdigest()


def _checked(data: bytes) -> bytes:
    """The code behind its digest. Raises OSError where a file is not whole."""
    digest, code = data[:32], data[32:]
    if hashlib.sha256(code).digest() != digest:
        raise OSError("not whole")
    return code


def _keep(name: str, code: bytes) -> None:
    """Keep code for the next start, where there is a folder for it; otherwise it is compiled again."""
    for folder in _user_folder():
        with suppress(OSError):
            _write(folder / name, code)


def _write(path: Path, code: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(hashlib.sha256(code).digest() + code)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _compiled(name: str, cell: Cell, kind: str) -> bytes:
    """Object code of a kernel, which it calls `name`; its signature is `_Native`."""
    from numba import cfunc, types

    from model.compiled import kernel as source

    function = cfunc(source.signature(getattr(types, kind)), fastmath={"contract"}, error_model="numpy")
    made = function(source.kernel(cell))
    # behind the function for C, which makes Python's errors of failures, is one that needs nothing of Python
    native = made.native_name.removeprefix("cfunc.")
    text = made.inspect_llvm().replace(f'@"{native}"', f"@{native}").replace(f"@{native}(", f'@"{name}"(')
    # nor is there memory to be given back: all arrays are made of pointers
    text = re.sub(r"^declare void @NRT_MemInfo_call_dtor\(ptr.*$", _GIVES_NOTHING_BACK, text, flags=re.MULTILINE)
    module = llvm.parse_assembly(text)
    for each in module.functions:
        if not each.is_declaration and each.name != name:
            each.linkage = "internal"
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, llvm.create_pass_builder(_machine(), llvm.create_pipeline_tuning_options()))
    code: bytes = _machine().emit_object(module)
    return code


_GIVES_NOTHING_BACK = "define internal void @NRT_MemInfo_call_dtor(ptr %0) { ret void }"

_Native = ctypes.CFUNCTYPE(
    ctypes.c_int32,  # Numba's status: these functions raise nothing
    ctypes.c_void_p, ctypes.c_void_p,  # where the result goes, and where an error would
    ctypes.c_void_p, ctypes.c_double, ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p,
)  # fmt: skip


@cache
def _machine() -> llvm.TargetMachine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features, opt=3, jit=True, reloc="default", codemodel="jitdefault"
    )


@cache
def _engine() -> llvm.ExecutionEngine:
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())


def _loaded(name: str, code: bytes) -> Kernel:
    engine = _engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    native = _Native(engine.get_function_address(name))

    def run(plan: int, by_rate: float, by_root: float, rows: int, room: int) -> float:
        loss = ctypes.c_double()
        native(ctypes.addressof(loss), 0, plan, by_rate, by_root, rows, room)
        return loss.value

    return run
