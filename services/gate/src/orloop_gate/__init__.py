"""Decides whether people get to see a proposal, and records what they decide."""
