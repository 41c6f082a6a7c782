"""C functions made of compiled numba functions, and where they are kept between processes."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from llvmlite import ir
from numba import cfunc
from numba.core import types
from numba.core.caching import FunctionCache

from flatrank.kernels import support

INT64 = ir.IntType(64)


class CFunction:
    """A `void` C function of `integers` integers: a numba function with further arguments zero.

    Made while an intrinsic is typed, which compiles the numba function for its argument types;
    `address` is for the intrinsic's code.
    """

    def __init__(self, typing_context, dispatcher, integers: int, others=()):
        function = typing_context.resolve_value_type(dispatcher)
        self.types = (*[types.int64] * integers, *others)
        self.arguments = function.get_call_type(typing_context, self.types, {}).args
        self.dispatcher, self.integers = dispatcher, integers

    def address(self, context, builder):
        """Instructions for the function's address; its body goes into the same module."""
        compiled = self.dispatcher.overloads[self.arguments]
        context.add_linking_libs([compiled.library])
        kind = ir.FunctionType(ir.VoidType(), [INT64] * self.integers)
        function = ir.Function(builder.module, kind, builder.module.get_unique_name("called"))
        function.linkage = "internal"
        body = ir.IRBuilder(function.append_basic_block())
        callee = context.declare_function(builder.module, compiled.fndesc)
        zeros = [ir.Constant(context.get_value_type(t), None) for t in self.types[self.integers :]]
        values = (*function.args, *zeros)
        context.call_conv.call_function(body, callee, types.none, self.arguments, values)
        body.ret_void()
        return builder.ptrtoint(function, INT64)


def cache_folder(function: Callable[..., Any]) -> str | None:
    """Where numba keeps what it compiles of this function's file; None where it cannot write."""
    try:
        return FunctionCache(function).cache_path
    except RuntimeError:
        return None


def kept(function: Callable[..., Any], integers: int, name: str) -> Any:
    """A function of integers as a C function: found on disk, or compiled and kept there.

    The name is its own, and so are its files: numba numbers what it keeps under one name, and of
    two processes that compile at once each would give its number to the other's code.
    """
    function.__qualname__ = name
    kind, start = types.void(*[types.int64] * integers), perf_counter()
    try:
        cached = cache_folder(function) is not None
        made = cfunc(kind, cache=cached, error_model="numpy")(function)
    except Exception:  # a disk that is full, a file that is broken: it goes without
        made = cfunc(kind, error_model="numpy")(function)
    if not made.cache_hits:
        support.compiling.append(perf_counter() - start)
    return made
