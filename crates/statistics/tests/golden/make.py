"""What empyrical-reloaded and quantstats say of seeded series, for `tests/golden.rs`.

In: nothing but the seeds below. Out: `daily.json` and `trades.json` beside this file, the same
bytes each time. Never: a formula of our own for a figure that is compared; only returns, which are
the libraries' input, are made here, from equity and flows.

    python3 -m venv golden && golden/bin/pip install -r requirements.txt
    golden/bin/python make.py

A figure that is no number is the text `nan`, `inf` or `-inf`; `refused` where the library raised.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import empyrical
import numpy as np
import pandas as pd
import quantstats.stats as quantstats

PERIODS = 365
ONE = 100_000_000
HERE = Path(__file__).parent


def plain(figure: Callable[[], Any]) -> float | int | str:
    """The figure as JSON can say it."""
    try:
        value = figure()
    except Exception:
        # Whatever it raises, it refused.
        return "refused"
    if isinstance(value, int):
        return value
    value = float(value)
    return value if math.isfinite(value) else str(value)


def path(returns: np.ndarray, flows: dict[int, int]) -> tuple[list[int], list[list[int]]]:
    """Equity in 1e-8 at each midnight before that midnight's flow, and the flows by midnight."""
    equity = [10_000 * ONE]
    for index, one in enumerate(returns):
        base = equity[-1] + flows.get(index, 0)
        equity.append(round(base * (1.0 + float(one))))
    return equity, [[index, amount] for index, amount in sorted(flows.items())]


def longest_drawdown_days(returns: pd.Series) -> int:
    below = quantstats.to_drawdown_series(returns)
    # The day before, which is a peak: without it the library does not see a drawdown that begins on
    # the first day and has not ended on the last.
    below.loc[below.index[0] - pd.Timedelta(days=1)] = 0.0
    details = quantstats.drawdown_details(below.sort_index())
    return int(details["days"].max()) if len(details) else 0


def daily(name: str, wanted: np.ndarray, flows: dict[int, int] | None = None) -> dict[str, Any]:
    equity, moved = path(wanted, flows or {})
    at = dict(moved)
    returns = [
        after / (before + at.get(index, 0)) - 1.0
        for index, (before, after) in enumerate(zip(equity, equity[1:], strict=False))
    ]
    series = pd.Series(returns, index=pd.date_range("2024-01-01", periods=len(returns)))
    return {
        "name": name,
        "equity_e8": equity,
        "flows_e8": moved,
        "returns": returns,
        "empyrical": {
            "sharpe": plain(lambda: empyrical.sharpe_ratio(series, annualization=PERIODS)),
            "sortino": plain(lambda: empyrical.sortino_ratio(series, annualization=PERIODS)),
            "calmar": plain(lambda: empyrical.calmar_ratio(series, annualization=PERIODS)),
            "max_drawdown": plain(lambda: empyrical.max_drawdown(series)),
            "annual_return": plain(lambda: empyrical.annual_return(series, annualization=PERIODS)),
            "total_return": plain(lambda: empyrical.cum_returns_final(series)),
        },
        "quantstats": {
            "sharpe": plain(lambda: quantstats.sharpe(series, periods=PERIODS)),
            "sortino": plain(lambda: quantstats.sortino(series, periods=PERIODS)),
            "calmar": plain(lambda: quantstats.calmar(series, periods=PERIODS)),
            "max_drawdown": plain(lambda: quantstats.max_drawdown(series)),
            "annual_return": plain(lambda: quantstats.cagr(series, periods=PERIODS)),
            "total_return": plain(lambda: quantstats.comp(series)),
            "win_rate": plain(lambda: quantstats.win_rate(series)),
            "profit_factor": plain(lambda: quantstats.profit_factor(series)),
            "longest_drawdown_days": plain(lambda: longest_drawdown_days(series)),
        },
    }


def trades(name: str, nets: list[int]) -> dict[str, Any]:
    # As they are: these are amounts of money, which must not be taken for prices.
    series = pd.Series(nets, dtype=float) / ONE
    return {
        "name": name,
        "net_e8": nets,
        "quantstats": {
            "win_rate": plain(lambda: quantstats.win_rate(series, prepare_returns=False)),
            "profit_factor": plain(lambda: quantstats.profit_factor(series, prepare_returns=False)),
            "average_win": plain(lambda: quantstats.avg_win(series, prepare_returns=False)),
            "average_loss": plain(lambda: quantstats.avg_loss(series, prepare_returns=False)),
        },
        "pandas": {"expectancy": plain(series.mean)},
    }


def all_daily() -> list[dict[str, Any]]:
    def rng(seed: int) -> np.random.Generator:
        return np.random.default_rng(seed)

    ordinary = rng(1).normal(0.001, 0.02, 250)
    with_quiet_days = np.where(rng(2).random(200) < 0.3, 0.0, rng(3).normal(0.0, 0.01, 200))
    flows = {
        int(day): int(amount) * ONE
        for day, amount in zip(
            rng(4).choice(250, 12, replace=False), rng(5).integers(-2_000, 8_000, 12), strict=True
        )
    }
    return [
        daily("ordinary", ordinary),
        daily("with deposits and withdrawals", ordinary, flows),
        daily("long", rng(6).normal(0.0005, 0.015, 1_500)),
        daily("losing", rng(7).normal(-0.002, 0.02, 300)),
        daily("fat tails", np.clip(rng(8).standard_t(3, 400) * 0.01, -0.5, 0.5)),
        daily("quiet days", with_quiet_days),
        daily("tiny returns", rng(9).normal(0.0, 1e-5, 120)),
        daily("all positive", np.abs(rng(10).normal(0.0, 0.01, 90)) + 1e-4),
        daily("all negative", -np.abs(rng(11).normal(0.0, 0.01, 90)) - 1e-4),
        daily("flat", np.zeros(40)),
        daily("two days", np.array([0.01, -0.02])),
        daily("single day won", np.array([0.01])),
        daily("single day lost", np.array([-0.01])),
        daily("single flat day", np.array([0.0])),
        daily("everything lost", np.array([0.02, -1.0])),
    ]


def all_trades() -> list[dict[str, Any]]:
    def nets(seed: int, mean: float, deviation: float, count: int) -> list[int]:
        drawn = np.random.default_rng(seed).normal(mean, deviation, count)
        return [round(float(one) * ONE) for one in drawn]

    mixed = nets(21, 0.5, 12.0, 400)
    return [
        trades("mixed", mixed),
        trades("with nets of nothing", [0 if i % 7 == 0 else net for i, net in enumerate(mixed)]),
        trades("losing", nets(22, -2.0, 9.0, 150)),
        trades("all won", [abs(net) + 1 for net in nets(23, 0.0, 5.0, 60)]),
        trades("all lost", [-abs(net) - 1 for net in nets(24, 0.0, 5.0, 60)]),
        trades("nothing", [0] * 5),
        trades("one won", [125_000_000]),
        trades("one lost", [-125_000_000]),
    ]


def write(name: str, content: list[dict[str, Any]]) -> None:
    lines = ",\n".join(json.dumps(one) for one in content)
    (HERE / name).write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    write("daily.json", all_daily())
    write("trades.json", all_trades())
