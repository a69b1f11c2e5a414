"""The bars that a prior is held against, each with its figure and whether it holds."""

from collections.abc import Mapping, Sequence
from typing import Any

GROWTH_SENTENCE = (
    "An error 60 frames ahead of less than ten times that of one frame asks for errors that hardly add up; a "
    "model whose single steps are good fails it more easily than one whose first step is already poor, so it "
    "says little without the errors themselves."
)


def bars(result: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the bars that can be judged from what `rollout_stability` measured of a model.

    Args:
        result: of `rollout_stability`; models named "mlp" and "dct" are rivals to be beaten.
        name: the model that is judged.

    Returns:
        Records of `name`, `value`, `bar` as text and `holds`.
    """
    found = {record["horizon"]: record for record in result["horizons"]}
    rows: list[tuple[str, float, str, float]] = []
    if 1 in found:
        once = found[1][name]
        rows += [
            ("position MSE, one step", once["position_mse"], "<", 0.001),
            ("velocity MSE, one step", once["velocity_mse"], "<", 0.5),
            ("R^2 of the change of positions, one step", once["position_change_r2"], ">", 0.8),
            ("R^2 of the change of velocities, one step", once["velocity_change_r2"], ">", 0.8),
        ]
    for horizon, least in ((1, 0.5), (10, 0.5), (30, 0.5), (60, 0.4)):
        if horizon in found:
            rows.append(
                (f"skill over zero velocity at {horizon}", found[horizon][name]["skill"], ">=", least)
            )
    for horizon in (10, 30, 60):
        if horizon in found:
            rows.append(gain(found, horizon, name, "constant_velocity", 0.3))
    for rival in ("mlp", "dct"):
        rows += [gain(found, h, name, rival, 0.1) for h in (30, 60) if h in found and rival in found[h]]
    growth, alive = result["growth"][name], result["alive"][name]
    if "exponent_10_to_60" in growth:
        rows.append(("exponent of growth, 10 to 60", growth["exponent_10_to_60"], "<", 1.0))
    if "factor_1_to_60" in growth:
        rows.append(("growth 1 to 60, joint error", growth["factor_1_to_60"], "<", 10.0))
        rows.append(("growth 1 to 60, the state's numbers", growth["state_factor_1_to_60"], "<", 10.0))
    rows.append((f"diverged after {alive['frames']} frames", alive["diverged"], "<=", 0.0))
    rows.append((f"still moving after {alive['frames']} frames", alive["moving"], ">=", 0.7))
    return [
        {"name": label, "value": value, "bar": f"{sign} {bar:g}", "holds": holds(value, sign, bar)}
        for label, value, sign, bar in rows
    ]


def gain(
    found: Mapping[int, Any], horizon: int, name: str, rival: str, least: float
) -> tuple[str, float, str, float]:
    """Return the row of beating a rival's joint error at a horizon by a share."""
    value = 1.0 - found[horizon][name]["joint_error_mm"] / found[horizon][rival]["joint_error_mm"]
    return f"less error than {rival.replace('_', ' ')} at {horizon}", value, ">=", least


def holds(value: float, sign: str, bar: float) -> bool:
    """Return whether a value keeps its bar; NaN never does."""
    return {"<": value < bar, "<=": value <= bar, ">": value > bar, ">=": value >= bar}[sign]


def bars_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return bars as lines of text."""
    lines = [
        f"  {'holds' if row['holds'] else 'FAILS':<6} {row['name']:<44} {row['value']:10.4g}, {row['bar']}"
        for row in rows
    ]
    return "\n".join([*lines, GROWTH_SENTENCE])
