"""Training for many seeds at once is training for each, and finds what is proved."""

import jax
import numpy as np
import optax
import pytest

import flatrank as fr
from flatrank import networks
from flatrank.networks import Classification, FactorRecovery, Training


def test_many_seeds_are_each_of_them():
    task = FactorRecovery.draw((6, 5), m=40, width=3)
    training = Training(20, batch=10, records=2)
    together = training.run(task, optax.adam(1e-2), seeds=(0, 1, 2))
    alone = training.run(task, optax.adam(1e-2), seeds=(2,))
    for x, y in zip(jax.tree.leaves(together.one(2)), jax.tree.leaves(alone.one(0)), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5)  # batched products round otherwise
    assert together.step.tolist() == [10, 20]
    assert together.error.shape == (3, 2)
    assert not np.array_equal(together.loss[0], together.loss[1])


def test_training_with_the_penalty_ends_at_what_is_proved():
    """Loss + w · penalty is 2/m times the flat problem with λ = w m/2; without it the gap stays."""
    task = FactorRecovery.draw((8, 6), rank=1, m=28, width=6, start=1.0, spread=2.0)
    weight, optimiser = 0.1, optax.adam(optax.exponential_decay(3e-2, 3000, 1e-3))
    problem = task.problem.with_lam(weight * task.problem.m / 2)
    gaps = []
    for used in (weight, 0.0):
        end = Training(3000, weight=used, records=1).run(task, optimiser)
        certificate = fr.certify(problem, (end.one(0)["L"], end.one(0)["R"]))
        gaps.append(certificate.relative_gap)
        if used:
            value = float(end.loss[0, 0] + weight * end.penalty[0, 0])
            assert value == pytest.approx(2 / problem.m * certificate.primal, rel=1e-3)
    # The gap is of first order in the gradient, which single precision and 3000 steps leave.
    assert gaps[0] < 1e-3 < 0.1 < gaps[1]


def test_digits_are_learnt_with_a_regulariser_of_every_kind():
    task = Classification.digits(hidden=(32,), width=16)
    mask = networks.scale_invariant(
        lambda p: task.loss(p, task.train), task.init(jax.random.key(0))
    )
    optimiser = optax.chain(
        networks.adam_with_averaged_decay(1e-2, weight_decay=1e-3, damping=1e-6),
        networks.rescale_weights(mask, norm=4.0),
        networks.rebalance(),
    )
    end = Training(150, batch=128, weight=1e-3, records=1).run(task, optimiser, seeds=(0, 1))
    assert np.all(end.error < 0.1)  # by chance 0.9
    L, R = networks.flat_pairs(end.one(0))[0]
    np.testing.assert_allclose(L.T @ L, R.T @ R, atol=1e-3)


@pytest.mark.slow
def test_signals_are_learnt_without_batch_normalisation():
    task = Classification.mnist1d(hidden=(64,), width=40, eps=None)
    assert task.init(jax.random.key(0))["gains"] == []
    end = Training(400, batch=128, records=1).run(task, optax.adam(3e-3))
    assert end.error[0, 0] < 0.6  # by chance 0.9


def test_no_seed_gets_a_sentence():
    task = FactorRecovery.draw((6, 5), m=40, width=3)
    with pytest.raises(ValueError, match="seeds must hold at least one whole number; got none"):
        Training(2, records=1).run(task, optax.sgd(0.1), seeds=())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": 0}, "steps must be 1 or more; got 0"),
        ({"steps": 10, "batch": 0}, "batch must be 1 or more; got 0"),
        ({"steps": 10, "records": 3}, "records must divide steps; got 3 and 10"),
        ({"steps": 10, "weight": -1.0}, "weight must be 0 or more; got -1.0"),
    ],
)
def test_what_makes_no_sense_gets_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        Training(**options)
