"""The loops, each for a range of rows: written once, for narrow and wide rows and either type."""

from __future__ import annotations

from functools import partial

from numpy import finfo

from flatrank.kernels.hardware import HARDWARE
from flatrank.kernels.rows import Rows, Total
from flatrank.kernels.signatures import PIVOT


def sampled_product(code: Rows) -> None:
    """OUT_p = <X_i, Y_j>."""
    _store_products(code, {"X": code.table()})


def tangent_product(code: Rows) -> None:
    """OUT_p = <X_i, Q_j> + <P_i, Y_j>."""
    _store_products(code, {"X": code.table("Q"), "P": code.table("Y")})


def _store_products(code, tables):
    out = code.job("OUT")
    for i, entries in code.rows():
        pairs = [(code.left(name, i), table, None) for name, table in tables.items()]
        for p, n in code.entries(entries, *tables.values()):
            code.store_numbers(out + p * code.size, code.products(pairs, p, n))


def sparse_tall(code: Rows) -> None:
    """OUT_i = Σ_p V_p Y_j."""
    _sum_rows(code, [(code.numbers("V"), code.table())])


def sparse_tall_pair(code: Rows) -> None:
    """OUT_i = Σ_p V_p Y_j + W_p Q_j."""
    _sum_rows(code, [(code.numbers("V"), code.table()), (code.numbers("W"), code.table("Q"))])


def _sum_rows(code, terms):
    for i, entries in code.rows():
        out = code.cleared("OUT", i)
        for batch in code.batches(entries):
            code.add_rows(out, terms, batch)


def residual_gradient(code: Rows) -> None:
    """s_p = <X_i, Y_j> − V_p, OUT_i = Σ_p s_p Y_j, SUM_i = Σ_p s_p²."""
    table, b = code.table(), code.numbers("V")

    def residual(p, n, x, squares):
        s = code.subtract(code.products([(x, table, None)], p, n), b(p, n))
        squares.add(s, s)
        return s

    for i, entries in code.rows():
        x, squares, out = code.left("X", i), Total(code, code.group), code.cleared("OUT", i)
        for batch in code.batches(entries):
            code.scored(out, batch, partial(residual, x=x, squares=squares), table)
        code.store_numbers(code.job("SUM") + i * code.size, squares.value())


def curvature_product(code: Rows) -> None:
    """s_p = <X_i, Q_j> + <P_i, Y_j>, OUT_i = Σ_p s_p Y_j + V_p Q_j; no term in what is 0.

    Each row of the table holds Y_j and then Q_j.
    """
    table = code.table(span=2 * code.rest.span)
    second, moving, e = table.shifted(code.span), code.job("P").given(), code.job("V").given()
    more = e, code.numbers("V"), second
    for i, entries in code.rows():
        pairs = [(code.left("X", i), second, None), (code.left("P", i, moving), table, moving)]
        out = code.cleared("OUT", i)
        for batch in code.batches(entries):
            code.scored(out, batch, partial(code.products, pairs), table, more)


def row_grams(code: Rows) -> None:
    """SUM_i = Σ_p W_p Y_j Y_jᵀ, OUT_i = Σ_p W_p V_p Y_j; W = 1 where it is 0."""
    table, b, weights = code.table(span=0), code.numbers("V"), code.numbers("W")
    weighted = code.job("W").given()

    def weight(p, n):
        w = code.variable([code.constant(1.0, n)])
        with code.when(weighted):
            w.set([weights(p, n)])
        return w.get()[0]

    def weighted_column(p, n, c):
        return code.multiply(weight(p, n), code.gather_column(table, p, n, c))

    for i, entries in code.rows():
        out, gram = code.cleared("OUT", i), code.job("SUM") + i * code.k * code.span
        for c in code.loop(0, code.k):
            code.clear(gram + c * code.span)
        if code.wide:
            for batch in code.batches(entries):
                for c in code.loop(0, code.k):
                    column = partial(weighted_column, c=c)
                    code.scored(gram + c * code.span, batch, column, table)
                code.scored(out, batch, lambda p, n: code.multiply(weight(p, n), b(p, n)), table)
            continue
        acc, shape = code.variable(code.rest.zeros()), code.rest
        for p, n in code.entries(entries):
            rows, w = code.gather(table, p, n, shape), weight(p, n)
            acc.set(code.add_scaled(code.multiply(w, b(p, n)), rows, acc.get()))
            for c in code.loop(0, code.k):
                s = code.multiply(w, code.gather_column(table, p, n, c))
                at = gram + c * code.span
                code.store(at, code.add_scaled(s, rows, code.load(at, shape)), shape)
        code.store(out, acc.get(), shape)


def ridge_steps(code: Rows) -> None:
    """STEPS of conjugate gradients on (I + Σ_p W_p Y_j Y_jᵀ) x = Σ_p V_p Y_j, from x = OUT_i on.

    Of wide rows. A row's entries are gathered from memory once, and then from the cache.
    """
    table, v, w = code.table(), code.numbers("V"), code.numbers("W")
    r, d, h = (code.spare() for _ in range(3))
    one, zero = code.constant(1.0), code.constant(0.0)

    def weighted(p, n, x):
        s = code.products([(lambda at, shape: code.load_left(x + at, shape), table, None)], p, n)
        return code.multiply(w(p, n), s)

    for i, entries in code.rows():
        x = code.row("OUT", i)
        code.clear(r)
        for batch in code.batches(entries):
            code.scored(
                r, batch, lambda p, n, x=x: code.subtract(v(p, n), weighted(p, n, x)), table
            )
        code.combine(r, code.constant(-1.0), x, r)
        code.clear(d)
        square, turn = code.variable([code.inner(r, r)]), code.variable([zero])
        for _ in code.loop(0, code.job("STEPS")):
            code.combine(d, turn.get()[0], d, r)
            code.clear(h)
            for batch in code.batches(entries):
                code.scored(h, batch, partial(weighted, x=d), table)
            code.combine(h, one, d, h)
            step = _ratio(code, square.get()[0], code.inner(d, h))
            code.combine(x, step, d, x)
            code.combine(r, code.negative(step), h, r)
            left = code.inner(r, r)
            turn.set([_ratio(code, left, square.get()[0])])
            square.set([left])


def _ratio(code, a, b):
    """a/b, or 0 where b is not above 0; not a number stays."""
    zero = code.constant(0.0)
    none = code.builder.fcmp_ordered("<=", b, zero)
    return code.builder.select(none, zero, code.builder.fdiv(a, b))


def inverses(code: Rows) -> None:
    """OUT_i = X_i⁻¹ for symmetric X_i, its pivots swept one after the other.

    B = −X at first. With s = 1/√(−B_cc) and b = s B_c, but b_c = −s, the pivot c is swept by
    B_j ← B_j + s B_jc b, as if B_jc were 0 before, and B_c ← −s b; s = 0 leaves it out. Every
    block of columns needs the pivot's column as it was: the block that has it comes last.
    """
    k, size, span, minus = code.k, code.size, code.span, code.constant(-1.0)
    for i in code.loop(code.first, code.last):
        start, out, diagonal = (code.job(name) for name in ("X", "OUT", "WORK"))
        start, out, diagonal = start + i * k * span, out + i * k * span, diagonal + i * span
        for j in code.loop(0, k):
            row = j * span
            code.store_numbers(diagonal + j * size, code.load_numbers(start + row + j * size))
            for at, shape in code.blocks():
                x = code.load(start + row + at, shape)
                code.store(out + row + at, code.add_scaled(minus, [x], shape.zeros()), shape)
        for c in code.columns():
            pivot = code.negative(code.load_numbers(out + c * span + c * size))
            s = _inverse_root(code, pivot, code.load_numbers(diagonal + c * size))
            for at, shape in code.blocks_but(c):
                _sweep(code, out, c, s, at, shape)


def _sweep(code, out, c, s, at, shape):
    """Sweep the pivot c in one block of columns."""
    zero, lane = code.constant(0.0), c - at // code.size
    b = code.add_scaled(s, [code.load(out + c * code.span + at, shape)], shape.zeros())
    b = code.with_lane(b, shape, lane, code.negative(s))
    for j in code.loop(0, code.k):
        row = out + j * code.span
        sj = code.multiply(s, code.load_numbers(row + c * code.size))
        old = code.with_lane(code.load(row + at, shape), shape, lane, zero)
        code.store(row + at, code.add_scaled(sj, [b], old), shape)
    swept = code.add_scaled(code.negative(s), [b], shape.zeros())
    code.store(out + c * code.span + at, swept, shape)


def _inverse_root(code, pivot, whole):
    """1/√pivot, or 0 where the pivot is rounding of the whole it is left of; not a number stays."""
    least = PIVOT * float(finfo(f"float{code.bits}").eps)
    small = code.multiply(whole, code.constant(least))
    good = code.builder.fcmp_unordered(">", pivot, small)
    root = code.call(f"llvm.sqrt.v1f{code.bits}", pivot.type, pivot)
    root = code.builder.fdiv(code.constant(1.0), root)
    return code.builder.select(good, root, code.constant(0.0))


def block_product(code: Rows) -> None:
    """OUT_i = X_i P_i for symmetric X_i."""
    for i in code.loop(code.first, code.last):
        x, p, out = code.job("X") + i * code.k * code.span, code.row("P", i), code.row("OUT", i)
        for at, shape in code.blocks():
            acc = code.variable(shape.zeros())
            for c in code.loop(0, code.k):
                row = code.load(x + c * code.span + at, shape)
                acc.set(code.add_scaled(code.load_numbers(p + c * code.size), [row], acc.get()))
            code.store(out + at, acc.get(), shape)


def side_by_side(code: Rows) -> None:
    """Rows of X and of P, beside each other, to rows of OUT."""
    for i in code.loop(code.first, code.last):
        out = code.job("OUT") + i * code.span * 2
        for name, start in ("X", out), ("P", out + code.span):
            for at, shape in code.blocks():
                code.store(start + at, code.load(code.row(name, i) + at, shape), shape)


# Passes over long vectors: a row is a run of HARDWARE.piece numbers and has its own partial sums.


def curvature_along(code: Rows) -> None:
    """Q += V P, SUM_i = <P, Q>, WORK_i = <P, P>; no V where it is 0."""
    p, q, v = (code.numbers(name) for name in "PQV")
    damped, starts = code.job("V").given(), code.job("Q")
    for i, numbers in code.pieces():
        bend, square = (Total(code, HARDWARE.at_once) for _ in range(2))
        for at, n in code.groups(*numbers, HARDWARE.at_once):
            x, y = p(at, n), code.variable([q(at, n)])
            with code.when(damped):
                y.set([code.multiply_add(v(at, n), x, *y.get())])
                code.store_numbers(starts + at * code.size, *y.get())
            bend.add(x, *y.get())
            square.add(x, x)
        code.store_numbers(code.job("SUM") + i * code.size, bend.value())
        code.store_numbers(code.job("WORK") + i * code.size, square.value())


def stepped(code: Rows) -> None:
    """X += W P, Y −= W Q, OUT = V Y, SUM_i = <Y, OUT>; no V where it is 0, nor OUT and SUM then."""
    x, y, p, q, v = (code.numbers(name) for name in "XYPQV")
    a, scaled = code.load_numbers(code.job("W")), code.job("V").given()
    for i, numbers in code.pieces():
        total = Total(code, HARDWARE.at_once)
        for at, n in code.groups(*numbers, HARDWARE.at_once):
            b, offset = code.spread(a, n), at * code.size
            moved = code.multiply_add(b, p(at, n), x(at, n))
            code.store_numbers(code.job("X") + offset, moved)
            r = code.multiply_add(code.negative(b), q(at, n), y(at, n))
            code.store_numbers(code.job("Y") + offset, r)
            with code.when(scaled):
                z = code.multiply(v(at, n), r)
                code.store_numbers(code.job("OUT") + offset, z)
                total.add(z, r)
        with code.when(scaled):
            code.store_numbers(code.job("SUM") + i * code.size, total.value())


def turned(code: Rows) -> None:
    """P = W P + Q."""
    p, q, a = code.numbers("P"), code.numbers("Q"), code.load_numbers(code.job("W"))
    for _, numbers in code.pieces():
        for at, n in code.groups(*numbers, HARDWARE.at_once):
            new = code.multiply_add(code.spread(a, n), p(at, n), q(at, n))
            code.store_numbers(code.job("P") + at * code.size, new)


def gathered(code: Rows) -> None:
    """OUT_p = Y at the p-th index."""
    table = code.table(span=code.size)
    for _, numbers in code.pieces():
        for p, n in code.groups(*numbers, HARDWARE.at_once):
            code.prefetch(table, p, n, table.bytes)
            found = code.gather_column(table, p, n, code.integer(0))
            code.store_numbers(code.job("OUT") + p * code.size, found)
