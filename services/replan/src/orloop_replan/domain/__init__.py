"""What a re-plan is: candidate places, alternatives, their order and their words. Pure."""
