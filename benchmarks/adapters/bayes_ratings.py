"""Bayesian matrix factorisation by others, at k = 16: myFM (with effects) and SMURFF (centred)."""

import json
import sys
import time

import numpy as np
from scipy.sparse import csr_matrix

K, BURN, DRAWS = 16, 40, 200


def main(path, name):
    data = np.load(path)
    n1, n2 = (int(n) for n in data["shape"])
    train = tuple(data[f"train_{x}"] for x in ("rows", "cols", "values"))
    test = tuple(data[f"test_{x}"] for x in ("rows", "cols", "values"))
    start = time.perf_counter()
    guess = {"myfm": myfm, "smurff": smurff}[name](train, test, (n1, n2))
    seconds = time.perf_counter() - start
    error = float(np.sqrt(np.mean((guess - test[2]) ** 2)))
    print(json.dumps({
        "rmse": error, "rank": K, "seconds": seconds, "sweep_seconds": seconds / (BURN + DRAWS),
    }))  # fmt: skip


def myfm(train, test, shape):
    from myfm import MyFMRegressor

    def features(rows, cols):
        m = rows.size
        at = np.column_stack([rows, shape[0] + cols.astype(np.int64)]).ravel()
        return csr_matrix((np.ones(2 * m), at, np.arange(0, 2 * m + 1, 2)), (m, sum(shape)))

    groups = np.repeat([0, 1], shape)
    model = MyFMRegressor(rank=K, random_seed=0)
    sides = [features(*side[:2]) for side in (train, test)]
    model.fit(sides[0], train[2], n_iter=BURN + DRAWS, n_kept_samples=DRAWS, group_shapes=None,
              grouping=groups, callback=lambda *_: (False, ""))  # fmt: skip
    return model.predict(sides[1])


def smurff(train, test, shape):
    import smurff as peer
    from scipy.sparse import coo_matrix

    mean = train[2].mean()
    Y, T = (coo_matrix((v - mean, (i, j)), shape) for i, j, v in (train, test))
    # Its sparse matrices have no explicit zeros.
    for M in (Y, T):
        M.data[M.data == 0] = 1e-12
    session = peer.TrainSession(priors=["normal", "normal"], num_latent=K, burnin=BURN,
                                nsamples=DRAWS, seed=1, verbose=0)  # fmt: skip
    session.addTrainAndTest(Y, T, peer.AdaptiveNoise(1.0, 100.0))
    found = {p.coords: p.pred_avg for p in session.run()}
    places = zip(test[0].tolist(), test[1].tolist(), strict=True)
    return mean + np.array([found[place] for place in places])


if __name__ == "__main__":
    main(*sys.argv[1:])
