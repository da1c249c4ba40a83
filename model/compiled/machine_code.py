"""Machine code: kernels compiled for this processor, kept in files that need no writing where they are there already.

Numba has a cache of its own, but asks for a folder it may write to before it looks into one that is ready, and takes a
fifth of a second to be imported. What it compiles here is kept as LLVM's object code, which LLVM alone loads.
"""

import ctypes
import hashlib
import os
import re
import sys
import threading
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Literal

import llvmlite.binding as llvm

from model.compiled import kept
from model.recipe import Cell

CELLS: tuple[Cell, ...] = ("rnn", "gru", "lstm")

Kind = Literal["float32", "float64"]

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
    return {"numba": _compilers(), "compiled_for": processor()}


def _compilers() -> str:
    return f"{metadata.version('numba')} {metadata.version('llvmlite')}"


_loading = threading.Lock()
_kernels: dict[str, Kernel] = {}


def kernel(cell: Cell, kind: Kind) -> Kernel:
    """The kernel of a cell: from a file, or compiled now, which takes seconds, and kept where that can be."""
    name = f"{cell}-{kind}"
    with _loading:  # neither Numba nor LLVM may be begun twice at once
        if name not in _kernels:
            file = file_name(name, processor())
            code = kept.read(file)
            if code is None:
                code = _compiled(name, cell, kind)
                kept.keep(file, code)
            _kernels[name] = _loaded(name, code)
        return _kernels[name]


def to_be_compiled() -> list[Cell]:
    """The cells whose kernels are in no file."""
    return [cell for cell in CELLS if kept.read(file_name(f"{cell}-float32", processor())) is None]


def compile_all() -> None:
    """Have the kernels of all cells at hand: what is in no file is compiled now, some seconds each."""
    for cell in CELLS:
        kernel(cell, "float32")


def compile_beside() -> None:
    """Compile the kernels of all cells for all who use this installation. Raises OSError."""
    for cell in CELLS:
        name = f"{cell}-float32"
        kept.keep_beside(file_name(name, processor()), _compiled(name, cell, "float32"))


@cache
def file_name(name: str, compiled_for: str) -> str:
    """The file of a kernel's code, after all that decides it: our sources, the compilers, Python and the processor."""
    here = Path(__file__).parent
    sources = b"".join((here / source).read_bytes() for source in SOURCES)
    decides = f"{_compilers()} {sys.version_info[:2]} {compiled_for} {llvm.get_process_triple()}"
    return f"{name}-{_digest(decides, sources)[:16]}.o"


def _digest(text: str, more: bytes = b"") -> str:
    return hashlib.sha256(text.encode() + more).hexdigest()


def _compiled(name: str, cell: Cell, kind: Kind) -> bytes:
    """Object code of a kernel, which it calls `name`; its signature is `_Native`.

    Settings of Numba's in the environment would decide bits that no version tells of: none is heeded.
    """
    for setting in [name for name in os.environ if name.startswith("NUMBA_")]:
        del os.environ[setting]
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
