"""What a wider model must show to be taken."""

import numpy as np

from flatrank.gibbs.sampler import Noise
from flatrank.gibbs.width import Trial, climbed


class Known:
    """Trials whose densities and errors are given by width."""

    def __init__(self, density, size):
        rng = np.random.default_rng(0)
        wobble = rng.standard_normal(400)
        self.trials = {
            k: Trial(k, Noise.COMMON, density[k] + 0.1 * wobble, size[k] * (1 + 0.1 * wobble), None)
            for k in density
        }

    def get(self, asked, _):
        return [self.trials.get(k) for k, _ in asked]


def chosen(density, size, step=1):
    known = Known(density, size)
    first, *ladder = sorted(density, reverse=step < 0)
    return climbed(known, known.trials[first], ladder, step).width


def test_wider_for_a_gain_in_density_or_for_errors_clearly_smaller():
    falling = {12: 0.50, 16: 0.48, 24: 0.47, 32: 0.485}
    assert chosen(falling, {12: 1.0, 16: 1.0, 24: 1.0, 32: 1.0}) == 12
    assert chosen(falling, {12: 1.0, 16: 0.9, 24: 0.8, 32: 0.8}) == 24
    # Taken for its errors, 24 has lowered the density: what 32 has above that is no gain.
    assert chosen({12: 0.50, 16: 0.51, 24: 0.51}, {12: 1.0, 16: 1.0, 24: 1.0}) == 16


def test_narrower_for_a_density_that_is_clearly_better():
    assert chosen({12: 0.5, 8: 0.6, 6: 0.6}, {12: 1.0, 8: 1.0, 6: 1.0}, step=-1) == 8
