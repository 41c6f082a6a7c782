"""What the adapters of clicks share: reading an instance, the objective, ranks of what is kept out.

Runs in the peers' own environments too, so NumPy and SciPy are all it may import.
"""

import numpy as np
from scipy.sparse import csr_matrix

SWEEPS = 15
TOP = 10
USERS = 5000


class Clicks:
    """Clicks that are known, those kept out, and the settings, one for everybody."""

    def __init__(self, path):
        with np.load(path) as data:
            self.shape = tuple(int(n) for n in data["shape"])
            self.alpha, self.lam = float(data["alpha"]), float(data["lam"])
            self.factors = int(data["factors"])
            self.counts = matrix(data["train_counts"], data, "train", self.shape)
            self.out = matrix(np.ones(data["test_rows"].size), data, "test", self.shape)

    def objective(self, L, R):
        """½ Σ c (p − X)² + λ/2 (‖L‖² + ‖R‖²) over all cells."""
        L, R = L.astype(float), R.astype(float)
        r = self.counts.tocoo()
        x, c = np.einsum("pk,pk->p", L[r.row], R[r.col]), 1 + self.alpha * r.data
        square = np.vdot(L.T @ L, R.T @ R) + np.sum(c * (1 - x) ** 2 - x * x)
        return float(0.5 * square + 0.5 * self.lam * (np.vdot(L, L) + np.vdot(R, R)))

    def ranks(self, L, R):
        """NDCG and precision among the ten best unseen, over (some) users with clicks kept out."""
        users = np.flatnonzero(np.diff(self.out.indptr))[:USERS]
        gains = 1 / np.log2(np.arange(2, TOP + 2))
        ndcg, hits = [], []
        for part in np.array_split(users, -(-users.size // 500)):
            scores = L[part] @ R.T
            scores[self.counts[part].nonzero()] = -np.inf
            best = np.argpartition(-scores, TOP, axis=1)[:, :TOP]
            order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
            best = np.take_along_axis(best, order, axis=1)
            rows = np.repeat(part, TOP)
            hit = np.asarray(self.out[rows, best.ravel()]).reshape(best.shape)
            wanted = np.minimum(np.diff(self.out.indptr)[part], TOP)
            ndcg.append(hit @ gains / np.cumsum(gains)[wanted - 1])
            hits.append(hit.mean(axis=1))
        return float(np.concatenate(ndcg).mean()), float(np.concatenate(hits).mean())

    def facts(self, L, R, ends):
        """What the table says of factors, and of seconds since the start at the end of each sweep.

        A sweep is the median of those after the first, which may compile.
        """
        ndcg, precision = self.ranks(L, R)
        sweeps = np.diff(ends)
        return {
            "seconds": float(np.median(sweeps)), "fastest": float(sweeps.min()),
            "all_seconds": float(ends[-1]), "sweeps": len(ends), "objective": self.objective(L, R),
            "ndcg": ndcg, "precision": precision, "clicks": int(self.counts.nnz),
        }  # fmt: skip


def matrix(values, data, part, shape):
    return csr_matrix((values.astype(float), (data[f"{part}_rows"], data[f"{part}_cols"])), shape)
