"""The suite's day in plain values: entities, events, the fold, the problem, the rules, the plan checker.

Pure: no IO, no clock, no randomness, no logging.
"""
