"""The model card: what the bundle is, from what, how good, and what it must not be used for."""

from collections.abc import Mapping

from .measure import Quality


def render(
    quality: Mapping[str, Quality],
    fallback: Mapping[str, Quality],
    booked: tuple[int, float, float],
    cases: int,
    seed: int,
) -> str:
    """Markdown."""
    n, mae, within = booked
    lines = [
        "# Duration forecasts: the shipped bundle",
        "",
        "**What.** P50, P80 and P95 of a case's stay in the room, and of what is left of it once the patient is in.",
        "An L1 LightGBM on the log duration over a shrunk mean, a second one on the absolute residual as scale, and",
        "the empirical distribution of standardised out-of-fold residuals; for remaining time one such model a stage,",
        "trained on moments of running cases. Quantiles cannot cross.",
        "",
        f"**Trained on** {cases} cases drawn (seed {seed}) from published aggregates, not on patients: surgery types",
        "of Leeftink and Hans (2018) and process steps of the German OR benchmark. There is no calendar in them, so",
        "there is no cut-off date. Booked lengths are drawn too; surgeons' effects, closing times and the share of",
        "unknown procedures are our assumptions.",
        "",
        "**Not for** judging people, billing, or promising a time to a patient. Before use in a hospital it is to be",
        "trained on that hospital's own log; until then expect the error of the published levels (MAE 18-50 min).",
        "",
        f"**Measured** on a fresh draw. Booked length: MAE {mae:.1f} min, within 15 min {within:.1%} (n = {n}).",
        "",
        "| state | n | MAE min | within 15 | pinball | P50 | P80 | P95 | fallback MAE | fallback P80 |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, q in quality.items():
        f = fallback[name]
        lines.append(
            f"| {name} | {q.n} | {q.forecast_mae:.1f} | {q.within_15:.1%} | {q.pinball:.2f} | {q.coverage_p50:.3f} | "
            f"{q.coverage_p80:.3f} | {q.coverage_p95:.3f} | {f.forecast_mae:.1f} | {f.coverage_p80:.3f} |"
        )
    lines += [
        "",
        "P50, P80 and P95 are the shares of cases that took no longer than that quantile. Rows other than `scheduled`",
        "are moments, five minutes apart; those of one case are not independent. `elapsed` rows say how far a case",
        "had come, in units of what was forecast before it began: beyond 1 it overruns.",
    ]
    return "\n".join(lines) + "\n"
