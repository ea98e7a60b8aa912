"""The orchestration package: decides whether a drift signal becomes a retraining run, and keeps the evidence.

Direction of dependence: ``handler`` and ``composition`` know everything; ``actions`` know the pure modules and the
ports; the pure modules (``signal``, ``policy``, ``decision``, ``evaluation``, ``promotion``, ``slots``, ``records``,
``notification``) know nothing but values. No module reads the clock, the environment or the network except through
what ``composition`` hands it.
"""
