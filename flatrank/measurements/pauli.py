"""Expectations of Pauli strings by the fast Walsh–Hadamard transform."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from flatrank.arrays import Array, added_at, static, to_numpy, xp
from flatrank.arrays.shapes import Complex, Float, Int
from flatrank.measurements.checks import checked_count
from flatrank.measurements.hermitian import OnHermitian
from flatrank.measurements.walsh import walsh_hadamard

_LETTERS = "IXYZ"


class PauliStrings(OnHermitian):
    """𝒜(X)ᵢ = tr(Pᵢ X), Pᵢ products of I, X, Y, Z on q qubits. Make one by `pauli_strings`.

    A string is i^|x∧z| Xˣ Zᶻ with bits x, z of q digits, so that

        tr(P G) = i^|x∧z| Σₖ (−1)^(z·k) G[k, k ⊕ x]:

    all strings with one x are a Walsh–Hadamard transform of one shifted diagonal, and all
    4^q of them are 2^q transforms of length 2^q. No Pᵢ is formed.

    Parameters
    ----------
    chosen : integer array of shape (m,)
        x 2^q + z of each string.
    qubits : int
        q.

    Notes
    -----
    Memory: 4^q complex numbers. Cost: O(q 4^q) flops a product, whatever m.
    """

    chosen: Int[Array, " m"]
    qubits: int = static()

    def __init__(self, chosen: Int[Array, " m"], qubits: int):
        self.chosen, self.qubits = chosen, qubits
        self.measured(len(chosen), xp.full(2 ** (qubits + 1), float(len(chosen))))

    @property
    def labels(self) -> list[str]:
        """The strings in letters, the first for the most significant qubit (host)."""
        x, z = np.divmod(to_numpy(self.chosen), 2**self.qubits)
        bits = np.arange(self.qubits)[::-1]
        X, Z = (x[:, None] >> bits) & 1, (z[:, None] >> bits) & 1
        # I, X, Y, Z are numbered 0 to 3: (x, z) = 00, 10, 11, 01.
        letters = np.array(list(_LETTERS))[X ^ (3 * Z)]
        return ["".join(row) for row in letters]

    def steepness(self) -> float:
        """A state has Σ tr(P X)² ≤ 2^q over all strings, and tr(P X)² ≤ 1 each."""
        return float(min(self.m, 2**self.qubits))

    def of_matrix(self, X: Complex[Array, "n n"]) -> Float[Array, " m"]:
        """Shifted diagonals, transform, phase."""
        k = np.arange(X.shape[0])
        diagonals = X[k[None, :], k[None, :] ^ k[:, None]]
        spectrum = _transformed(diagonals) * _phases(self.qubits, X.dtype)
        return xp.real(spectrum).reshape(-1)[self.chosen]

    def matrix(self, y: Float[Array, " m"]) -> Complex[Array, "n n"]:
        """Phase, transform, back to where the diagonals were."""
        n = 2**self.qubits
        dtype = xp.result_type(y.dtype, xp.complex64)
        grid = added_at(self.chosen, y.astype(dtype), n * n).reshape(n, n)
        diagonals = _transformed(grid * _phases(self.qubits, dtype))
        k = np.arange(n)
        return diagonals[k[:, None] ^ k[None, :], k[None, :]]


def pauli_strings(qubits: int, strings: Iterable[int | str] | None = None) -> PauliStrings:
    """Expectations of Pauli strings, as a measurement of states of some qubits.

    Parameters
    ----------
    qubits : int
        q, from 1 to 13.
    strings : iterable of int or str, optional
        Which: words of q letters I, X, Y, Z, the first letter for the most significant qubit, or
        numbers whose digits in base 4 are those letters, I = 0 to Z = 3. Each at most once. By
        default all 4^q in order of their numbers, the identity first.

    Returns
    -------
    PauliStrings
        With `labels`.

    Raises
    ------
    ValueError
        If q is out of range, or a string is not one of those or comes twice.

    Notes
    -----
    Memory: 4^q complex numbers.
    """
    qubits = checked_count("qubits", qubits, 1)
    if qubits > 13:  # a matrix of 2 GB and more
        raise ValueError(f"qubits must be at most 13, for a state is a matrix; got {qubits}")
    chosen = range(4**qubits) if strings is None else (_number(s, qubits) for s in strings)
    numbers = np.fromiter(chosen, dtype=np.int64)
    if not numbers.size:
        raise ValueError("strings must name at least one Pauli string; got none")
    distinct, counts = np.unique(numbers, return_counts=True)
    if distinct.size < numbers.size:
        twice = int(distinct[np.argmax(counts > 1)])
        raise ValueError(f"strings must be distinct; number {twice} comes more than once")
    return PauliStrings(_places(numbers, qubits), qubits)


def _number(string: int | str, qubits: int) -> int:
    if isinstance(string, str):
        if len(string) != qubits or not set(string) <= set(_LETTERS):
            raise ValueError(
                f"a Pauli string of {qubits} qubits is a word of as many letters I, X, Y, Z; "
                f"got {string!r}"
            )
        return int(string.translate(str.maketrans(_LETTERS, "0123")), 4)
    number = checked_count("a Pauli string's number", string, 0)
    if number >= 4**qubits:
        raise ValueError(f"a Pauli string's number must be below 4^{qubits}; got {number}")
    return number


def _places(numbers: NDArray[np.int64], qubits: int) -> NDArray[np.int64]:
    """Numbers in base 4 to x 2^q + z: the digits 0 to 3 have (x, z) = 00, 10, 11, 01."""
    x, z = np.zeros_like(numbers), np.zeros_like(numbers)
    for q in range(qubits):
        digit = (numbers >> (2 * q)) & 3
        x |= ((digit == 1) | (digit == 2)).astype(np.int64) << q
        z |= (digit >= 2).astype(np.int64) << q
    return x * 2**qubits + z


def _transformed(F: Complex[Array, "n n"]) -> Complex[Array, "n n"]:
    """Σₖ (−1)^(z·k) F[x, k] for every z."""
    n = F.shape[0]
    real, imaginary = walsh_hadamard(xp.concatenate([xp.real(F), xp.imag(F)])).reshape(2, n, n)
    return real + 1j * imaginary


def _phases(qubits: int, dtype: np.dtype) -> Complex[Array, "n n"]:
    """i^|x∧z| for every x and z."""
    bits = np.arange(2**qubits)
    count = np.bitwise_count(bits[:, None] & bits[None, :]) % 4
    return np.array([1, 1j, -1, -1j], dtype=dtype)[count]
