"""The planner against its peers on frozen problems: `python -m orloop_replan.bench` (`make bench-replan`)."""
