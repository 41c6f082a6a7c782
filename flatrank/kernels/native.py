"""Functions of machine code: written as LLVM instructions, compiled, and kept on disk.

What is kept is the object file, beside its hash. Its name has a digest of the sources of this
folder, the compiler's version and the processor, so that none is used where it does not belong.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import Any, NamedTuple

import llvmlite
import llvmlite.binding as llvm
from llvmlite import ir

from flatrank.kernels import support
from flatrank.kernels.code import INT64

_compiling = Lock()


class Native(NamedTuple):
    """A function of 64-bit integers."""

    call: Any  # runs without Python's lock
    address: int
    found: bool  # whether it was found on disk


def cache_folder() -> Path | None:
    """Where object files are kept: the first of three places that can be written to, or none.

    `FLATRANK_CACHE_DIR` alone, if set; else beside the sources, or in the user's folder of caches.
    """
    chosen = os.environ.get("FLATRANK_CACHE_DIR")
    home = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    home = Path(os.environ.get("XDG_CACHE_HOME") or home) / "flatrank"
    for folder in [Path(chosen)] if chosen else [Path(__file__).parent / "__pycache__", home]:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    return None


@cache
def digest() -> str:
    """A name for the sources of what is compiled, the compiler and the processor."""
    names = "code", "hardware", "loops", "native", "rows", "signatures", "team", "vectors"
    sources = b"".join(Path(__file__).with_name(f"{n}.py").read_bytes() for n in names)
    where = f"{llvmlite.__version__} {llvm.get_host_cpu_name()} {features()} {sys.platform}"
    return hashlib.sha256(sources + where.encode()).hexdigest()[:16]


@cache
def features() -> str:
    """The instructions that this processor has, as LLVM lists them."""
    return llvm.get_host_cpu_features().flatten()


def target() -> Any:
    """A code generator for this processor."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    default = llvm.Target.from_default_triple()
    cpu = llvm.get_host_cpu_name()
    return default.create_target_machine(cpu, features(), opt=3, reloc="pic", jit=True)


def compiled(name: str, write: Callable[..., None], integers: int) -> Native:
    """A `void` function of integers: found on disk, or compiled and kept there.

    `write` is given a builder and the integers, and writes the instructions.
    """
    with _compiling:
        folder = cache_folder()
        file = folder / f"{name}-{digest()}.o" if folder else None
        code = _read(file)
        if found := code is not None:
            return _loaded(code, found, integers)
        start = perf_counter()
        code = _object_code(write, integers)
        with suppress(OSError):
            _keep(file, code)
        out = _loaded(code, found, integers)
        support.compiling.append(perf_counter() - start)
        return out


def _object_code(write: Callable[..., None], integers: int) -> bytes:
    """The function `run` as an object file."""
    module = ir.Module()
    module.triple = llvm.get_default_triple()
    kind = ir.FunctionType(ir.VoidType(), [INT64] * integers)
    function = ir.Function(module, kind, "run")
    builder = ir.IRBuilder(function.append_basic_block())
    # Stack slots go before everything else.
    body = function.append_basic_block()
    builder.branch(body)
    builder.position_at_end(body)
    write(builder, *function.args)
    builder.ret_void()
    parsed, generator = llvm.parse_assembly(str(module)), target()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    passes = llvm.create_pass_builder(generator, options)
    passes.getModulePassManager().run(parsed, passes)
    return generator.emit_object(parsed)


def _loaded(code: bytes, found: bool, integers: int) -> Native:
    """Object code in memory, where it stays: threads may run it until the process has ended."""
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target())
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(engine))
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address = engine.get_function_address("run")
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * integers)(address)
    return Native(call, address, found)


def _read(file: Path | None) -> bytes | None:
    """Object code from disk, if it is there and whole."""
    with suppress(OSError):
        if file:
            mark, code = (content := file.read_bytes())[:32], content[32:]
            if hashlib.sha256(code).digest() == mark:
                return code
    return None


def _keep(file: Path | None, code: bytes) -> None:
    """Write object code, whole or not at all."""
    if file:
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as part:
            part.write(hashlib.sha256(code).digest() + code)
        Path(part.name).replace(file)
