"""What the data say beyond the optimum: a posterior of the factors, drawn by Gibbs sampling."""

from flatrank.gibbs.diagnostics import Diagnostics as Diagnostics
from flatrank.gibbs.drawing import posterior as posterior
from flatrank.gibbs.posterior import Posterior as Posterior
from flatrank.gibbs.regression import checked_features as checked_features
from flatrank.gibbs.sampler import Noise as Noise
from flatrank.gibbs.sampler import row_blocks as row_blocks
from flatrank.gibbs.saving import load_posterior as load_posterior
from flatrank.gibbs.saving import save_posterior as save_posterior
