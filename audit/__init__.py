"""Certificates against independent references: `python -m audit`.

Only `running` calls the library; what the right answers are is decided here without it.
"""
