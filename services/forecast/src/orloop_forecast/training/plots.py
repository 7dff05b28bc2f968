"""Calibration, to look at."""

from collections.abc import Mapping
from pathlib import Path

from .measure import Quality

_LEVELS = (0.5, 0.8, 0.95)


def plot_calibration(quality: Mapping[str, Quality], path: Path) -> None:
    """Nominal against observed share, a line for each state."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 6))
    axes.plot([0.4, 1], [0.4, 1], color="grey", linewidth=1)
    for name, q in quality.items():
        axes.plot(_LEVELS, (q.coverage_p50, q.coverage_p80, q.coverage_p95), marker="o", label=f"{name} (n = {q.n})")
    axes.set_xlabel("nominal")
    axes.set_ylabel("observed share of cases no longer than the quantile")
    axes.legend(fontsize=7)
    figure.savefig(path, dpi=120, bbox_inches="tight")
    plt.close(figure)
