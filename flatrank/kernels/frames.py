"""From a call frame to a job: every buffer is checked before its address is believed.

The checks are written as instructions from a kernel's line in `signatures.py`. Axes that share a
letter must be equally long; the first buffer to show a letter decides, and its length goes into the
job. The first check to fail leaves by way of an error that XLA raises in Python.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from flatrank.kernels.ffi import (
    CODES,
    CREATE,
    FRAME_API,
    INVALID,
    LAYOUT,
    LEAST_API,
    LEAST_FRAME,
    SIZE_CREATE,
    load_word,
    store_word,
)
from flatrank.kernels.jobs import PLACES, load_pointer
from flatrank.kernels.signatures import BLOCK, SIGNATURES, Variant, parsed

INT64, INT32, BIT = ir.IntType(64), ir.IntType(32), ir.IntType(1)
FRAME, BUFFER = LAYOUT["CallFrame"], LAYOUT["Buffer"]
# Where the job keeps the length that goes by a letter.
LENGTHS = {"n": "N", "m": "M", "w": "WIDTH", "k": "K", "s": "STRIDE"}
GO_ON = 1  # never the address of an error
COMPLAINT = "flatrank {}: the buffers do not have the shapes and types that the kernel expects"


class Checks:
    """Instructions that go on while checks hold and leave for `failed` otherwise."""

    def __init__(self, builder, job, failed):
        self.builder, self.job, self.failed = builder, job, failed
        self.known = set()

    def require(self, condition):
        """Go on only where a condition holds."""
        proceed = self.builder.append_basic_block()
        self.builder.cbranch(condition, proceed, self.failed)
        self.builder.position_at_end(proceed)

    def equal(self, value, to):
        """Go on only where two integers are equal."""
        self.require(
            self.builder.icmp_signed("==", value, INT64(to) if isinstance(to, int) else to)
        )

    def kept(self, name):
        """What the job holds under a name."""
        return load_word(self.builder, self.job, PLACES[name])

    def keep(self, name, value):
        """Put a value into the job."""
        store_word(self.builder, self.job, PLACES[name], value)

    def length(self, letter, value):
        """An axis of this letter has this length: note it, or compare with the first such axis."""
        if letter in self.known:
            self.equal(value, self.kept(LENGTHS[letter]))
        else:
            self.known.add(letter)
            self.keep(LENGTHS[letter], value)

    def items(self, frame, kind, items, count):
        """Addresses of the buffers among the arguments or results, of which there are `count`."""
        words = LAYOUT[kind]
        self.equal(load_word(self.builder, frame, FRAME[items] + words["size"]), count)
        table = load_word(self.builder, frame, FRAME[items] + words[items])
        return [load_word(self.builder, table, i) for i in range(count)]

    def element(self, buffer):
        """The code of a buffer's element type."""
        code = self.builder.trunc(load_word(self.builder, buffer, BUFFER["dtype"]), INT32)
        return self.builder.zext(code, INT64)

    def axes(self, buffer, count):
        """Lengths of a buffer's axes, of which there are `count`."""
        self.equal(load_word(self.builder, buffer, BUFFER["rank"]), count)
        dims = load_word(self.builder, buffer, BUFFER["dims"])
        return [load_word(self.builder, dims, i) for i in range(count)]

    def factor(self, buffer, name, letters, bits):
        """A buffer of real numbers whose axes go by these letters."""
        self.equal(self.element(buffer), CODES[f"DataType_F{bits}"])
        for letter, value in zip(letters, self.axes(buffer, len(letters)), strict=True):
            self.length(letter, value)
        self.keep(name, load_word(self.builder, buffer, BUFFER["data"]))

    def pattern(self, pointers, indices):
        """The two buffers of the pattern, and that the rows end where the entries do or before."""
        builder = self.builder
        (ends,), (m,) = self.axes(pointers, 1), self.axes(indices, 1)
        self.require(builder.icmp_signed(">", ends, INT64(0)))
        self.equal(self.element(indices), CODES["DataType_S32"])
        long = builder.icmp_signed("==", self.element(pointers), INT64(CODES["DataType_S64"]))
        short = builder.icmp_signed("==", self.element(pointers), INT64(CODES["DataType_S32"]))
        self.require(builder.or_(long, short))
        self.length("n", builder.sub(ends, INT64(1)))
        self.length("m", m)
        self.keep("LONG", builder.zext(long, INT64))
        self.keep("POINTERS", load_word(builder, pointers, BUFFER["data"]))
        self.keep("INDICES", load_word(builder, indices, BUFFER["data"]))
        self.equal(load_pointer(builder, self.job, INT64(0)), 0)
        filled = load_pointer(builder, self.job, self.kept("N"))
        self.require(builder.icmp_signed("<=", filled, m))
        self.keep("FILLED", filled)

    def columns(self, variant):
        """Factors of the columns compiled for, and scratch for rows of them (or of two)."""
        builder, k = self.builder, self.kept("K")
        if variant.wide:
            blocks = builder.sub(k, INT64(variant.k))
            self.require(builder.icmp_signed(">=", blocks, INT64(0)))
            self.equal(builder.and_(blocks, INT64(BLOCK - 1)), 0)
        else:
            self.equal(k, variant.k)
        if variant.copies:
            least = builder.mul(k, INT64(2 if variant.pairs else 1))
            self.require(builder.icmp_signed(">=", self.kept("STRIDE"), least))
        else:
            self.keep("STRIDE", k)


def answer(builder, frame, major, minor):
    """Instructions that tell XLA which version of the interface a handler was written for."""
    extension = extension_of(builder, frame)
    metadata = load_word(builder, extension, LAYOUT["Metadata_Extension"]["metadata"])
    place = LAYOUT["Metadata"]["api_version"] + LAYOUT["Api_Version"]["major_version"]
    store_word(builder, metadata, place, INT64(minor << 32 | major))


def extension_of(builder, frame):
    return load_word(builder, frame, FRAME["extension_start"])


def error(context, builder, frame, message):
    """Instructions that make an XLA_FFI_Error; its address."""
    words = LAYOUT["Error_Create_Args"]
    request = builder.alloca(ir.ArrayType(INT64, 4))
    builder.store(ir.Constant(ir.ArrayType(INT64, 4), None), request)
    request = builder.ptrtoint(request, INT64)
    text = builder.ptrtoint(context.insert_const_string(builder.module, message), INT64)
    store_word(builder, request, words["struct_size"], INT64(SIZE_CREATE))
    store_word(builder, request, words["message"], text)
    store_word(builder, request, words["errc"], INT64(INVALID))
    function = load_word(builder, load_word(builder, frame, FRAME_API), CREATE)
    kind = ir.FunctionType(INT64, [INT64])
    return builder.call(builder.inttoptr(function, kind.as_pointer()), [request])


def check(checks, frame, variant):
    """Instructions that check a whole frame and fill the job."""
    builder = checks.builder
    api = load_word(builder, frame, FRAME_API)
    for struct, least in ((frame, LEAST_FRAME), (api, LEAST_API)):
        checks.require(builder.icmp_unsigned(">=", load_word(builder, struct, 0), INT64(least)))
    taken, given = map(parsed, SIGNATURES[variant.kernel])
    arguments = checks.items(frame, "Args", "args", 2 + len(taken))
    results = checks.items(frame, "Rets", "rets", len(given))
    checks.pattern(*arguments[:2])
    for buffer, (name, letters) in zip(arguments[2:] + results, taken + given, strict=True):
        checks.factor(buffer, name, letters, variant.bits)
    checks.columns(variant)


@intrinsic(prefer_literal=True)
def opened(_context, frame, job, variant):
    """Read a frame into a zeroed job: GO_ON, or what the handler must return at once."""
    what = Variant.read(variant.literal_value)

    def codegen(context, builder, _signature, args):
        frame, job = args[:2]
        blocks = [builder.append_basic_block(name) for name in ("asked", "run", "failed", "end")]
        asked, run, failed, end = blocks
        is_question = builder.icmp_unsigned("!=", extension_of(builder, frame), INT64(0))
        builder.cbranch(is_question, asked, run)
        builder.position_at_end(asked)
        answer(builder, frame, what.major, what.minor)
        builder.branch(end)
        builder.position_at_end(run)
        check(Checks(builder, job, failed), frame, what)
        ready = builder.block
        builder.branch(end)
        builder.position_at_end(failed)
        complaint = error(context, builder, frame, COMPLAINT.format(what.kernel))
        builder.branch(end)
        builder.position_at_end(end)
        verdict = builder.phi(INT64)
        for value, block in ((INT64(0), asked), (INT64(GO_ON), ready), (complaint, failed)):
            verdict.add_incoming(value, block)
        return verdict

    return types.int64(types.int64, types.int64, variant), codegen
