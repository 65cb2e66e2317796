"""Engines that break an operation in every way there is; `trial.py` says how they are used."""
