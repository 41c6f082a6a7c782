"""The loops of `draws.py`: Gaussian rows, eight at a time, and data scaled by column.

Numbers of eight rows lie side by side, an *eight*: every instruction works on all of them, and one
loop serves every k.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from flatrank.kernels.code import INT32, INT64, Integer
from flatrank.kernels.rows import Rows, Total
from flatrank.kernels.vectors import Shape, shuffle

EIGHT = 8
COLUMNS = 4  # columns of a Cholesky factor that are found together


def scaled_data(code: Rows) -> None:
    """OUT_p = Y_j V_p, SUM_i = Σ_p OUT_p²."""
    b, scales, out = code.numbers("V"), code.table(span=0), code.job("OUT")
    for i, entries in code.rows():
        total = Total(code, code.group)
        for p, n in code.entries(entries):
            x = code.multiply(code.gather_column(scales, p, n, code.integer(0)), b(p, n))
            code.store_numbers(out + p * code.size, x)
            total.add(x, x)
        code.store_numbers(code.job("SUM") + i * code.size, total.value())


def gaussian_rows(code: Rows) -> None:
    """OUT_i ~ N(P_i⁻¹(Q + V_i P_i'), P_i⁻¹), P_i = Y + V_i X_i, by the normal numbers W_i.

    X holds the Grams, P the right-hand sides, V the precisions of the rows, Y their common
    precision and Q that times its mean; SUM_i = xᵀ X_i x − 2 P_i' x.
    """
    eights, k = Eights(code), code.k
    T, x = eights.scratch(k * k), eights.scratch(k)
    begin = code.variable(code.first)
    for _ in code.repeat(lambda: begin.get() < code.last):
        first = begin.get()
        lanes = [code.smaller(first + w, code.last - 1) for w in range(EIGHT)]
        tau = eights.gathered([code.job("V") + i * code.size for i in lanes])
        _normal_equations(eights, lanes, tau, T, x)
        _factor(eights, T)
        _forward(eights, T, x)
        drawn = [code.row("W", i) for i in lanes]
        squares = code.variable(eights.constant(0.0))
        for a in code.loop(0, k):
            u = eights.plus(eights.at(x, a), eights.gathered([z + a * code.size for z in drawn]))
            eights.put(x, a, u)
            squares.set(eights.fused(u, u, squares.get()))
        _backward(eights, T, x)
        # xᵀGx = (‖Tᵀx‖² − xᵀΛx)/τ
        left = eights.fused(eights.constant(-1.0), _common_form(eights, x), squares.get())
        misfit = code.variable(eights.over(left, tau))
        right = [code.row("P", i) for i in lanes]
        for a in code.loop(0, k):
            h = eights.gathered([row + a * code.size for row in right])
            h = eights.times(eights.constant(-2.0), h)
            misfit.set(eights.fused(h, eights.at(x, a), misfit.get()))
        for w in range(EIGHT):
            with code.when(first + w < code.last):
                out = code.row("OUT", lanes[w])
                for a in code.loop(0, k):
                    code.store_numbers(out + a * code.size, eights.lane(eights.at(x, a), w))
                place = code.job("SUM") + lanes[w] * code.size
                code.store_numbers(place, eights.lane(misfit.get(), w))
        begin.set(first + EIGHT)


class Eights:
    """Instructions on eights, which are lists of vectors, and on scratch memory of them."""

    def __init__(self, code: Rows):
        self.code, self.shape = code, Shape(EIGHT, code.bits)

    def scratch(self, count: Integer) -> Integer:
        """Memory on the stack for so many eights."""
        number = ir.ArrayType(self.code.element, EIGHT)
        place = self.code.builder.alloca(number, count.value)
        return self.code.integer(self.code.builder.ptrtoint(place, INT64))

    def at(self, start: Integer, i: Integer) -> list[Any]:
        """The i-th eight in memory."""
        return self.code.load(start + i * self.shape.span, self.shape)

    def put(self, start: Integer, i: Integer, eight: list[Any]) -> None:
        """Write the i-th eight."""
        self.code.store(start + i * self.shape.span, eight, self.shape)

    def gathered(self, places: list[Integer]) -> list[Any]:
        """Numbers from eight addresses."""
        code, width, out = self.code, self.shape.width, []
        for start in self.shape.starts:
            vector = ir.Constant(self.shape.vector, ir.Undefined)
            for w in range(width):
                number = places[start + w].pointer(code.element)
                number = code.builder.load(number, align=code.size)
                vector = code.builder.insert_element(vector, number, INT32(w))
            out.append(vector)
        return out

    def everywhere(self, place: Integer) -> list[Any]:
        """One number from memory, for all eight."""
        number = self.code.spread(self.code.load_numbers(place), self.shape.width)
        return [number] * len(self.shape.starts)

    def constant(self, value: float) -> list[Any]:
        """One number that is known, for all eight."""
        return [self.code.constant(value, self.shape.width)] * len(self.shape.starts)

    def lane(self, eight: list[Any], w: int) -> Any:
        """One of eight numbers."""
        piece, lane = divmod(w, self.shape.width)
        return shuffle(self.code.builder, eight[piece], eight[piece], [lane])

    def plus(self, x: list[Any], y: list[Any]) -> list[Any]:
        """The sum x + y."""
        return [self.code.add(a, b) for a, b in zip(x, y, strict=True)]

    def times(self, x: list[Any], y: list[Any]) -> list[Any]:
        """The product x y."""
        return [self.code.multiply(a, b) for a, b in zip(x, y, strict=True)]

    def over(self, x: list[Any], y: list[Any]) -> list[Any]:
        """The quotient x/y."""
        return [self.code.builder.fdiv(a, b) for a, b in zip(x, y, strict=True)]

    def fused(self, x: list[Any], y: list[Any], z: list[Any]) -> list[Any]:
        """The sum x y + z."""
        return [self.code.multiply_add(a, b, c) for a, b, c in zip(x, y, z, strict=True)]

    def less(self, z: list[Any], x: list[Any], y: list[Any]) -> list[Any]:
        """The difference z − x y."""
        return self.fused([self.code.negative(a) for a in x], y, z)

    def inverse_root(self, x: list[Any]) -> list[Any]:
        """1/√x."""
        name = f"llvm.sqrt.v{self.shape.width}f{self.code.bits}"
        return self.over(self.constant(1.0), [self.code.call(name, a.type, a) for a in x])


def _normal_equations(eights: Eights, lanes: list[Integer], tau: Any, T: Integer, x: Integer):
    """The lower triangle of Λ + τG into T, and c + τh into x."""
    code, k = eights.code, eights.code.k
    grams = [code.job("X") + i * k * code.span for i in lanes]
    right = [code.row("P", i) for i in lanes]
    for a in code.loop(0, k):
        h = eights.gathered([row + a * code.size for row in right])
        c = eights.everywhere(code.job("Q") + a * code.size)
        eights.put(x, a, eights.fused(tau, h, c))
        for e in code.loop(0, a + 1):
            at = a * k + e
            G = eights.gathered([gram + at * code.size for gram in grams])
            common = eights.everywhere(code.job("Y") + at * code.size)
            eights.put(T, at, eights.fused(tau, G, common))


def _factor(eights: Eights, T: Integer) -> None:
    """P = T Tᵀ in place, with 1/T_aa on the diagonal."""
    code, k = eights.code, eights.code.k
    for a in code.loop(0, k):
        own = T + a * k * eights.shape.span
        for e, n in code.groups(0, a, COLUMNS):
            rows = [T + (e + r) * k * eights.shape.span for r in range(n)]
            sums = [code.variable(eights.at(own, e + r)) for r in range(n)]
            for q in code.loop(0, e):
                t = eights.at(own, q)
                for row, acc in zip(rows, sums, strict=True):
                    acc.set(eights.less(acc.get(), t, eights.at(row, q)))
            found: list[Any] = []
            for r in range(n):
                t = sums[r].get()
                for s, earlier in enumerate(found):
                    t = eights.less(t, earlier, eights.at(rows[r], e + s))
                found.append(eights.times(t, eights.at(rows[r], e + r)))
                eights.put(own, e + r, found[-1])
        pivot = code.variable(eights.at(own, a))
        for q in code.loop(0, a):
            t = eights.at(own, q)
            pivot.set(eights.less(pivot.get(), t, t))
        eights.put(own, a, eights.inverse_root(pivot.get()))


def _forward(eights: Eights, T: Integer, x: Integer) -> None:
    """x ← T⁻¹ x."""
    code, k = eights.code, eights.code.k
    for a in code.loop(0, k):
        own, acc = T + a * k * eights.shape.span, code.variable(eights.at(x, a))
        for e in code.loop(0, a):
            acc.set(eights.less(acc.get(), eights.at(own, e), eights.at(x, e)))
        eights.put(x, a, eights.times(acc.get(), eights.at(own, a)))


def _backward(eights: Eights, T: Integer, x: Integer) -> None:
    """x ← T⁻ᵀ x."""
    code, k = eights.code, eights.code.k
    for i in code.loop(0, k):
        a = k - 1 - i
        own = T + a * k * eights.shape.span
        done = eights.times(eights.at(x, a), eights.at(own, a))
        eights.put(x, a, done)
        for e in code.loop(0, a):
            eights.put(x, e, eights.less(eights.at(x, e), eights.at(own, e), done))


def _common_form(eights: Eights, x: Integer) -> list[Any]:
    """xᵀΛx."""
    code, k = eights.code, eights.code.k
    form = code.variable(eights.constant(0.0))
    for a, n in code.groups(0, k, COLUMNS):
        sums = [code.variable(eights.constant(0.0)) for _ in range(n)]
        for e in code.loop(0, k):
            xe = eights.at(x, e)
            for r, acc in enumerate(sums):
                place = code.job("Y") + ((a + r) * k + e) * code.size
                acc.set(eights.fused(eights.everywhere(place), xe, acc.get()))
        for r, acc in enumerate(sums):
            form.set(eights.fused(acc.get(), eights.at(x, a + r), form.get()))
    return form.get()
