"""The unknown: factor pairs, and what can be read off them without forming L Rᵀ."""

from flatrank.factors.cone import Cone as Cone
from flatrank.factors.cone import complex_form as complex_form
from flatrank.factors.cone import real_form as real_form
from flatrank.factors.given import Factors as Factors
from flatrank.factors.given import given_complex as given_complex
from flatrank.factors.given import given_cone as given_cone
from flatrank.factors.given import given_form as given_form
from flatrank.factors.given import given_pair as given_pair
from flatrank.factors.pair import ComplexPair as ComplexPair
from flatrank.factors.pair import FactorPair as FactorPair
from flatrank.factors.pair import Weight as Weight
from flatrank.factors.pair import weighted as weighted
from flatrank.factors.spectrum import CompactSVD as CompactSVD
from flatrank.factors.spectrum import balance as balance
from flatrank.factors.spectrum import balance_from_grams as balance_from_grams
from flatrank.factors.spectrum import compact_svd as compact_svd
