"""The loops of `loops.py` for factors of more than 16 columns, whatever their number.

Columns are taken in blocks of 16 and a rest of 16 to 31, so one compilation serves every k with the
same rest. Entries are taken in batches that fit the first cache: all inner products of a batch
first, block by block, then all sums, so that a block of X_i or of the result stays in registers
while the entries pass. `shapes` are zeros for one entry and for a group: of the rest, of a block.
"""

from __future__ import annotations

from typing import no_type_check

from numba import njit

from flatrank.kernels.jobs import OUT, STRIDE, SUM, WORK, K, P, Q, V, W, X, Y, pointer_at
from flatrank.kernels.signatures import BLOCK
from flatrank.kernels.tables import ask, gather, gather_column, shifted, table_of
from flatrank.kernels.vectors import (
    add_apart,
    add_scaled,
    apart,
    bytes_of,
    inverse_root,
    lanes_of,
    load,
    load_left,
    load_pack,
    multiplied_add,
    multiply,
    negative,
    no_products,
    ones,
    pack,
    rows_of,
    span_of,
    store,
    subtract,
    times_add,
    together,
    total,
    with_lane,
)
from flatrank.kernels.words import INNER, local_words, word

BATCH = 64  # entries; also the words of scratch on the stack


@no_type_check
@njit(**INNER)
def add_products(acc, table, p, x, count, shapes):
    """Add <row at x, row> to acc for the entries from p on, not yet summed over lanes."""
    rest, rests, block, blocks = shapes
    for c in range(count):
        at = c * span_of(block)
        ask(shifted(table, at), p, blocks)
        acc = times_add(load(x + at, block), gather(shifted(table, at), p, blocks), acc)
    at = count * span_of(block)
    ask(shifted(table, at), p, rests)
    return times_add(load_left(x + at, rest), gather(shifted(table, at), p, rests), acc)


@no_type_check
@njit(**INNER)
def add_rows(table, p, end, s, out, shapes):
    """Add rows, scaled by the numbers at s, to the row at out, over the entries from p to end."""
    one, group = shapes
    acc, sums = load(out, one), apart(group)
    while p + rows_of(group) <= end:
        sums = add_apart(load_pack(s, pack(group)), gather(table, p, group), sums)
        s += rows_of(group) * bytes_of(one)
        p += rows_of(group)
    acc = together(sums, acc)
    while p < end:
        acc = add_scaled(load_pack(s, pack(one)), gather(table, p, one), acc)
        s += bytes_of(one)
        p += 1
    store(out, acc)


@no_type_check
@njit(**INNER)
def products(tables, batch, rows, s, shapes):
    """Write <row at x, row> to the numbers at s for a batch: first entry, end, number of blocks.

    Of two tables and rows x, the sum of both products; the second row is 0 where there is one only.
    """
    rest, rests, block, blocks = shapes
    (table, second), (p, end, count), (x, dx) = tables, batch, rows
    while p + rows_of(rests) <= end:
        acc = add_products(no_products(rests), table, p, x, count, shapes)
        if dx:
            acc = add_products(acc, second, p, dx, count, shapes)
        store(s, total(acc))
        s += rows_of(rests) * bytes_of(rest)
        p += rows_of(rests)
    single = rest, rest, block, block
    while p < end:
        acc1 = add_products(no_products(rest), table, p, x, count, single)
        if dx:
            acc1 = add_products(acc1, second, p, dx, count, single)
        store(s, total(acc1))
        s += bytes_of(rest)
        p += 1


@no_type_check
@njit(**INNER)
def sums(table, batch, s, out, shapes):
    """Add the rows of a batch, scaled by the numbers at s, to the row at out."""
    rest, rests, block, blocks = shapes
    p, end, count = batch
    for c in range(count):
        at = c * span_of(block)
        add_rows(shifted(table, at), p, end, s, out + at, (block, blocks))
    at = count * span_of(block)
    add_rows(shifted(table, at), p, end, s, out + at, (rest, rests))


@no_type_check
@njit(**INNER)
def clear_row(out, count, shapes):
    """Set a row to zero."""
    rest, _rests, block, _blocks = shapes
    for c in range(count):
        store(out + c * span_of(block), block)
    store(out + count * span_of(block), rest)


@no_type_check
@njit(**INNER)
def block_count(job, shapes):
    """The number of blocks beside the rest."""
    return (word(job, K) - lanes_of(shapes[0])) // BLOCK


@no_type_check
@njit(**INNER)
def sampled_product(job, first, last, shapes):
    """OUT_p = <X_i, Y_j>."""
    one, count = shapes[0], block_count(job, shapes)
    table, size, span = table_of(job, one), bytes_of(one), word(job, K) * bytes_of(one)
    p = pointer_at(job, first)
    for i in range(first, last):
        end = pointer_at(job, i + 1)
        while p < end:
            stop = min(p + BATCH, end)
            x, out = word(job, X) + i * span, word(job, OUT) + p * size
            products((table, table), (p, stop, count), (x, 0), out, shapes)
            p = stop


@no_type_check
@njit(**INNER)
def sparse_tall(job, first, last, shapes):
    """OUT_i = sum_p V_p Y_j."""
    one, count = shapes[0], block_count(job, shapes)
    table, size, span = table_of(job, one), bytes_of(one), word(job, K) * bytes_of(one)
    p = pointer_at(job, first)
    for i in range(first, last):
        end, out = pointer_at(job, i + 1), word(job, OUT) + i * span
        clear_row(out, count, shapes)
        while p < end:
            stop = min(p + BATCH, end)
            sums(table, (p, stop, count), word(job, V) + p * size, out, shapes)
            p = stop


@no_type_check
@njit(**INNER)
def tangent_product(job, first, last, shapes):
    """OUT_p = <X_i, Q_j> + <P_i, Y_j>."""
    one, count = shapes[0], block_count(job, shapes)
    table, size, span = table_of(job, one), bytes_of(one), word(job, K) * bytes_of(one)
    second, p = shifted(table, word(job, Q) - word(job, Y)), pointer_at(job, first)
    for i in range(first, last):
        end, x, dx = pointer_at(job, i + 1), word(job, X) + i * span, word(job, P) + i * span
        while p < end:
            stop = min(p + BATCH, end)
            out = word(job, OUT) + p * size
            products((second, table), (p, stop, count), (x, dx), out, shapes)
            p = stop


@no_type_check
@njit(**INNER)
def sparse_tall_pair(job, first, last, shapes):
    """OUT_i = sum_p V_p Y_j + W_p Q_j."""
    one, count = shapes[0], block_count(job, shapes)
    table, size, span = table_of(job, one), bytes_of(one), word(job, K) * bytes_of(one)
    second, p = shifted(table, word(job, Q) - word(job, Y)), pointer_at(job, first)
    for i in range(first, last):
        end, out = pointer_at(job, i + 1), word(job, OUT) + i * span
        clear_row(out, count, shapes)
        while p < end:
            stop = min(p + BATCH, end)
            sums(table, (p, stop, count), word(job, V) + p * size, out, shapes)
            sums(second, (p, stop, count), word(job, W) + p * size, out, shapes)
            p = stop


@no_type_check
@njit(**INNER)
def add_row(out, s, x, count, shapes):
    """Add the row at x, scaled by s, to the row at out."""
    rest, _rests, block, _blocks = shapes
    for c in range(count):
        at = c * span_of(block)
        store(out + at, add_scaled(s, load(x + at, block), load(out + at, block)))
    at = count * span_of(block)
    store(out + at, add_scaled(s, load(x + at, rest), load(out + at, rest)))


@no_type_check
@njit(**INNER)
def residual_gradient(job, first, last, shapes):
    """s_p = <X_i, Y_j> - V_p, OUT_i = sum_p s_p Y_j, SUM_i = sum_p s_p^2."""
    one, count, s = shapes[0], block_count(job, shapes), local_words(BATCH)
    table, size, span = table_of(job, one), bytes_of(one), word(job, K) * bytes_of(one)
    p = pointer_at(job, first)
    for i in range(first, last):
        end, out, squares = pointer_at(job, i + 1), word(job, OUT) + i * span, pack(one)
        clear_row(out, count, shapes)
        while p < end:
            batch = p, min(p + BATCH, end), count
            products((table, table), batch, (word(job, X) + i * span, 0), s, shapes)
            for e in range(batch[1] - p):
                b = load_pack(word(job, V) + (p + e) * size, pack(one))
                residual = subtract(load_pack(s + e * size, pack(one)), b)
                squares = multiplied_add(residual, residual, squares)
                store(s + e * size, residual)
            sums(table, batch, s, out, shapes)
            p = batch[1]
        store(word(job, SUM) + i * size, squares)


@no_type_check
@njit(**INNER)
def curvature_product(job, first, last, shapes):
    """s_p = <X_i, Q_j> + <P_i, Y_j>, OUT_i = sum_p s_p Y_j + V_p Q_j; no term in what is 0.

    Each row of the table holds Y_j and then Q_j.
    """
    one, count, s = shapes[0], block_count(job, shapes), local_words(BATCH)
    table, size, span = table_of(job, one), bytes_of(one), word(job, K) * bytes_of(one)
    second, v = shifted(table, span), word(job, V)
    p = pointer_at(job, first)
    for i in range(first, last):
        end, out = pointer_at(job, i + 1), word(job, OUT) + i * span
        clear_row(out, count, shapes)
        while p < end:
            batch = p, min(p + BATCH, end), count
            x, dx = word(job, X) + i * span, word(job, P) + i * span if word(job, P) else 0
            products((second, table), batch, (x, dx), s, shapes)
            sums(table, batch, s, out, shapes)
            if v:
                sums(second, batch, v + p * size, out, shapes)
            p = batch[1]


@no_type_check
@njit(**INNER)
def row_grams(job, first, last, shapes):
    """SUM_i = sum_p W_p Y_j Y_j^T, OUT_i = sum_p W_p V_p Y_j; W = 1 where it is 0."""
    one, count, s = shapes[0], block_count(job, shapes), local_words(BATCH)
    table, size, k = table_of(job, one), bytes_of(one), word(job, K)
    p, w = pointer_at(job, first), word(job, W)
    for i in range(first, last):
        end, out, gram = pointer_at(job, i + 1), word(job, OUT) + i * k * size, word(job, SUM)
        clear_row(out, count, shapes)
        for c in range(k):
            clear_row(gram + (i * k + c) * k * size, count, shapes)
        while p < end:
            batch = p, min(p + BATCH, end), count
            for c in range(k + 1):
                for e in range(p, batch[1]):
                    scale = load_pack(w + e * size, pack(one)) if w else ones(one)
                    if c < k:
                        number = gather_column(table, e, c, scale)
                    else:
                        number = load_pack(word(job, V) + e * size, scale)
                    store(s + (e - p) * size, multiply(scale, number))
                row = gram + (i * k + c) * k * size if c < k else out
                sums(table, batch, s, row, shapes)
            p = batch[1]


@no_type_check
@njit(**INNER)
def negate_row(out, x, count, shapes):
    """Write minus the row at x, which may be the same, to out."""
    rest, _rests, block, _blocks = shapes
    minus = negative(ones(rest))
    for c in range(count):
        at = c * span_of(block)
        store(out + at, add_scaled(minus, load(x + at, block), block))
    at = count * span_of(block)
    store(out + at, add_scaled(minus, load(x + at, rest), rest))


@no_type_check
@njit(**INNER)
def sweep_columns(out, job, c, s, at, one):
    """Sweep the pivot c in the columns of `one` that begin `at` bytes into a row."""
    k, size = word(job, K), bytes_of(one)
    span, none, lane = k * size, pack(one), c - at // size
    pivot_row = out + c * span + at
    b = with_lane(add_scaled(s, load(pivot_row, one), one), lane, negative(s))
    for j in range(k):
        row = out + j * span
        sj = multiply(s, load_pack(row + c * size, none))
        store(row + at, add_scaled(sj, b, with_lane(load(row + at, one), lane, none)))
    store(pivot_row, add_scaled(negative(s), b, one))


@no_type_check
@njit(**INNER)
def inverses(job, first, last, shapes):
    """OUT_i = X_i^-1 for symmetric X_i, its pivots swept one after the other (`loops.inverses`).

    Every block of columns needs the pivot's column as it was: the block that has it comes last.
    """
    rest, count, k = shapes[0], block_count(job, shapes), word(job, K)
    block, size, none = shapes[2], bytes_of(rest), pack(rest)
    for i in range(first, last):
        x, out = word(job, X) + i * k * k * size, word(job, OUT) + i * k * k * size
        d = word(job, WORK) + i * k * size
        for j in range(k):
            store(d + j * size, load_pack(x + j * (k + 1) * size, none))
            negate_row(out + j * k * size, x + j * k * size, count, shapes)
        for c in range(k):
            here = c * (k + 1) * size
            pivot = negative(load_pack(out + here, none))
            s = inverse_root(pivot, load_pack(d + c * size, none))
            last_block = min(c // BLOCK, count)
            for e in range(1, count + 2):
                q = (last_block + e) % (count + 1)
                if q < count:
                    sweep_columns(out, job, c, s, q * span_of(block), block)
                else:
                    sweep_columns(out, job, c, s, q * span_of(block), rest)


@no_type_check
@njit(**INNER)
def block_product(job, first, last, shapes):
    """OUT_i = X_i P_i for symmetric X_i."""
    one, count, k = shapes[0], block_count(job, shapes), word(job, K)
    size, span = bytes_of(one), k * bytes_of(one)
    for i in range(first, last):
        x, v, out = word(job, X) + i * k * span, word(job, P) + i * span, word(job, OUT) + i * span
        clear_row(out, count, shapes)
        for c in range(k):
            add_row(out, load_pack(v + c * size, pack(one)), x + c * span, count, shapes)


@no_type_check
@njit(**INNER)
def side_by_side(job, first, last, shapes):
    """Rows of X, and of P beside them where there is a P, to rows of OUT a stride apart."""
    one, count, k = shapes[0], block_count(job, shapes), word(job, K)
    for i in range(first, last):
        place, scale = word(job, OUT) + i * word(job, STRIDE) * bytes_of(one), ones(one)
        for start in (word(job, X), word(job, P)):
            if start:
                clear_row(place, count, shapes)
                add_row(place, scale, start + i * k * bytes_of(one), count, shapes)
                place += k * bytes_of(one)
