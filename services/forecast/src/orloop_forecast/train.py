"""Train the shipped bundle: `python -m orloop_forecast.train`, or `make train`."""

import argparse
import sys
from pathlib import Path

from .adapters.bundle import load_bundle, write_bundle
from .domain.fallback import fallback_duration, fallback_remaining
from .domain.forecasting import Forecaster
from .training.card import render
from .training.draw import draw_cases
from .training.fit import fit
from .training.measure import Forecast, booked_quality, measure
from .training.plots import plot_calibration

SHIPPED = Path(__file__).parent / "bundle"
CASES, FRESH, SEED = 16_000, 3_000, 20260302
_STAGES = 8


def main(arguments: list[str] | None = None) -> int:
    """Draw, fit, measure, write; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m orloop_forecast.train", description=__doc__)
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder of the bundle (default: the shipped one)")
    parser.add_argument("--cases", type=int, default=CASES, help=f"cases to draw for training (default {CASES})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"seed of everything (default {SEED})")
    parser.add_argument("--fresh", type=int, default=FRESH, help=f"cases to draw for measuring (default {FRESH})")
    parser.add_argument("--plots", type=Path, help="also write calibration.png into this folder")
    chosen = parser.parse_args(arguments)
    progress = _Progress(_STAGES)
    cases = draw_cases(chosen.cases, chosen.seed)
    progress(f"{len(cases)} cases drawn")
    forecaster = fit(cases, chosen.seed, progress)
    fresh = draw_cases(chosen.fresh, chosen.seed + 1)
    quality = measure(fresh, asking(forecaster))
    by_rule = measure(fresh, lambda stage, values: (fallback_duration(values), fallback_remaining(stage, values)))
    booked = booked_quality(fresh)
    progress("measured")
    facts = {
        "cut_off": "none: drawn cases have no dates",
        "seed": chosen.seed,
        "cases": len(cases),
        "booked": {"n": booked[0], "mae": round(booked[1], 3), "within_15": round(booked[2], 4)},
        "metrics": {name: q.plain() for name, q in quality.items()},
    }
    digest = write_bundle(chosen.out, forecaster, render(quality, by_rule, booked, len(cases), chosen.seed), facts)
    load_bundle(chosen.out)
    if chosen.plots:
        chosen.plots.mkdir(parents=True, exist_ok=True)
        plot_calibration(quality, chosen.plots / "calibration.png")
    size = sum(path.stat().st_size for path in chosen.out.iterdir())
    print(f"bundle {digest[:12]}: {size / 1e6:.2f} MB in {chosen.out.name}/")
    return 0


def asking(forecaster: Forecaster) -> Forecast:
    """A forecaster as a question of stage and features."""

    def ask(stage: str, values: dict[str, float | str | None]) -> tuple[object, object]:
        answer = forecaster.forecast(stage, values)
        return answer.duration, answer.remaining

    return ask  # type: ignore[return-value]


class _Progress:
    """A bar on a terminal, lines elsewhere."""

    def __init__(self, steps: int) -> None:
        self._steps, self._done = steps, 0

    def __call__(self, what: str) -> None:
        self._done = min(self._done + 1, self._steps)
        bar = "#" * self._done + "." * (self._steps - self._done)
        end = "\n" if not sys.stderr.isatty() or self._done == self._steps else ""
        print(f"\r[{bar}] {what:<32}", end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
