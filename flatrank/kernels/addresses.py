"""C functions made of compiled numba functions, and where they are kept between processes."""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.core.caching import FunctionCache

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


def cache_folder(function) -> str | None:
    """Where numba keeps what it compiles of this function's file; None where it cannot write."""
    try:
        return FunctionCache(function).cache_path
    except RuntimeError:
        return None


def kept(function) -> dict[str, object]:
    """How to compile a C function for XLA: once for all processes, where there is a place for it.

    `function` is any of the same file.
    """
    return {"cache": cache_folder(function) is not None, "error_model": "numpy"}
