"""The loops of `loops.py` for factors of more than 16 columns, whatever their number.

Columns are taken in blocks of 16 and a rest of 16 to 31, so one compilation serves every k with the
same rest. Entries are taken in batches that fit the first cache: all inner products of a batch
first, block by block, then all sums, so that a block of X_i or of the result stays in registers
while the entries pass. `shapes` are zeros for one entry and for a group: of the rest, of a block.
"""

from __future__ import annotations

from typing import no_type_check

from numba import njit

from flatrank.kernels.ffi import INNER, local_words, word
from flatrank.kernels.jobs import (
    INDICES,
    OUT,
    PARTS,
    STRIDE,
    SUM,
    WIDTH,
    WORK,
    K,
    P,
    Q,
    V,
    W,
    X,
    Y,
    pointer_at,
)
from flatrank.kernels.pool import first_row
from flatrank.kernels.signatures import BLOCK
from flatrank.kernels.tables import ask, gather, gather_column, shifted, table_of
from flatrank.kernels.vectors import (
    add,
    add_scaled,
    bytes_of,
    index_at,
    lanes_of,
    load,
    load_left,
    load_pack,
    multiplied_add,
    multiply,
    ones,
    pack,
    rows_of,
    span_of,
    store,
    subtract,
    times,
    total,
)

BATCH = 64  # entries; also the words of scratch on the stack


@no_type_check
@njit(**INNER)
def add_products(table, p, end, x, s, shapes):
    """Add <x, row> to the numbers at s, over the entries from p to end."""
    one, group = shapes
    while p + rows_of(group) <= end:
        ask(table, p, group)
        new = total(times(x, gather(table, p, group)))
        store(s, add(load_pack(s, new), new))
        s += rows_of(group) * bytes_of(one)
        p += rows_of(group)
    while p < end:
        ask(table, p, one)
        new1 = total(times(x, gather(table, p, one)))
        store(s, add(load_pack(s, new1), new1))
        s += bytes_of(one)
        p += 1


@no_type_check
@njit(**INNER)
def add_rows(table, p, end, s, out, shapes):
    """Add rows, scaled by the numbers at s, to the row at out, over the entries from p to end."""
    one, group = shapes
    acc = load(out, one)
    while p + rows_of(group) <= end:
        acc = add_scaled(load_pack(s, pack(group)), gather(table, p, group), acc)
        s += rows_of(group) * bytes_of(one)
        p += rows_of(group)
    while p < end:
        acc = add_scaled(load_pack(s, pack(one)), gather(table, p, one), acc)
        s += bytes_of(one)
        p += 1
    store(out, acc)


@no_type_check
@njit(**INNER)
def products(table, batch, x, s, shapes):
    """Add <row at x, row> to the numbers at s for a batch: first entry, end, number of blocks."""
    rest, rests, block, blocks = shapes
    p, end, count = batch
    for c in range(count):
        at = c * span_of(block)
        add_products(shifted(table, at), p, end, load_left(x + at, block), s, (block, blocks))
    at = count * span_of(block)
    add_products(shifted(table, at), p, end, load_left(x + at, rest), s, (rest, rests))


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
def clear(s, n, one):
    """Set n numbers to zero."""
    for p in range(n):
        store(s + p * bytes_of(one), pack(one))


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
            clear(word(job, OUT) + p * size, stop - p, one)
            x, out = word(job, X) + i * span, word(job, OUT) + p * size
            products(table, (p, stop, count), x, out, shapes)
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
def sparse_tall_transposed(job, first, last, shapes):
    """OUT_j = sum_p V_p X_i. Rows share columns, so one call must have all rows."""
    one, count = shapes[0], block_count(job, shapes)
    span = word(job, K) * bytes_of(one)
    for j in range(word(job, WIDTH)):
        clear_row(word(job, OUT) + j * span, count, shapes)
    p = pointer_at(job, first)
    for i in range(first, last):
        end, x = pointer_at(job, i + 1), word(job, X) + i * span
        while p < end:
            row = word(job, OUT) + index_at(word(job, INDICES), p) * span
            add_row(row, load_pack(word(job, V) + p * bytes_of(one), pack(one)), x, count, shapes)
            p += 1


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
            clear(s, batch[1] - p, one)
            products(table, batch, word(job, X) + i * span, s, shapes)
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
    """s_p = <X_i, Q_j> + <P_i, Y_j>, OUT_i = sum_p s_p Y_j + V_p Q_j; no V term where V is 0.

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
            clear(s, batch[1] - p, one)
            products(second, batch, word(job, X) + i * span, s, shapes)
            products(table, batch, word(job, P) + i * span, s, shapes)
            sums(table, batch, s, out, shapes)
            if v:
                sums(second, batch, v + p * size, out, shapes)
            p = batch[1]


@no_type_check
@njit(**INNER)
def scatter(place, entries, scales, rows, shapes):
    """Add the row x, scaled by s_p, and q, scaled by e_p where there is an e, to rows of a matrix.

    `place` is the address of the matrix and of the indices that name its rows; `entries` the first
    entry, the end and the number of blocks.
    """
    rest, _rests, block, _blocks = shapes
    p, end, count = entries
    for c in range(count):
        scatter_block(place, (p, end, c * span_of(block)), scales, rows, (block, shapes[0]))
    scatter_block(place, (p, end, count * span_of(block)), scales, rows, (rest, shapes[0]))


@no_type_check
@njit(**INNER)
def scatter_block(place, entries, scales, rows, shapes):
    """`scatter` for the columns of one block."""
    like, one = shapes
    (matrix, indices, span), (p, end, at), (s, e), (x, q) = place, entries, scales, rows
    left, right, size = load(x + at, like), load(q + at, like), bytes_of(one)
    while p < end:
        row = matrix + index_at(indices, p) * span + at
        acc = add_scaled(load_pack(s, pack(one)), left, load(row, like))
        if e:
            acc = add_scaled(load_pack(e, pack(one)), right, acc)
            e += size
        store(row, acc)
        s += size
        p += 1


@no_type_check
@njit(**INNER)
def curvature_sides(job, first, last, shapes):
    """`curvature_product`, and beside it the sums by column: s_p X_i + V_p P_i, for some parts.

    Each part adds into a matrix of its own in WORK.
    """
    one, count, s = shapes[0], block_count(job, shapes), local_words(BATCH)
    table, size, span = table_of(job, one), bytes_of(one), word(job, K) * bytes_of(one)
    second, v, width = shifted(table, word(job, Q) - word(job, Y)), word(job, V), word(job, WIDTH)
    for part in range(first, last):
        matrix = word(job, WORK) + part * width * span
        for j in range(width):
            clear_row(matrix + j * span, count, shapes)
        i = first_row(job, part, word(job, PARTS))
        beyond = first_row(job, part + 1, word(job, PARTS))
        p = pointer_at(job, i)
        while i < beyond:
            end, out = pointer_at(job, i + 1), word(job, OUT) + i * span
            x, dx = word(job, X) + i * span, word(job, P) + i * span
            clear_row(out, count, shapes)
            while p < end:
                batch = p, min(p + BATCH, end), count
                e = v + p * size if v else 0
                clear(s, batch[1] - p, one)
                products(second, batch, x, s, shapes)
                products(table, batch, dx, s, shapes)
                sums(table, batch, s, out, shapes)
                if v:
                    sums(second, batch, e, out, shapes)
                scatter((matrix, word(job, INDICES), span), batch, (s, e), (x, dx), shapes)
                p = batch[1]
            i += 1


@no_type_check
@njit(**INNER)
def add_parts(job, first, last, shapes):
    """Rows of OUT from the matrices at X, a STRIDE apart: their sum, always in the same order."""
    one, count, scale = shapes[0], block_count(job, shapes), ones(shapes[0])
    span, apart = word(job, K) * bytes_of(one), word(job, STRIDE) * bytes_of(one)
    for j in range(first, last):
        out = word(job, OUT) + j * span
        clear_row(out, count, shapes)
        for part in range(word(job, WIDTH)):
            add_row(out, scale, word(job, X) + part * apart + j * span, count, shapes)


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
