"""What people get: the run folder, figures, and one self-contained page. Never solves."""

from flatrank.reporting.runs import make_record as make_record
from flatrank.reporting.runs import save_run as save_run
from flatrank.reporting.saved import Run as Run
from flatrank.reporting.saved import load_run as load_run
