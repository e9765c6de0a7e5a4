"""Limits as a tree, for the state directory: learning them again takes longer than all the rest of a start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict

from app.drift.calibration import Calibration, VectorLimits
from app.drift.dependence import Witness
from app.drift.directions import Directions
from app.drift.effects import Novelties
from app.drift.invalid import Invalid
from app.drift.joint import novel_vectors
from app.drift.limit import Limit
from app.drift.mahalanobis import MeanDistance
from app.drift.mean_shift import MeanShift
from app.drift.moment import Moment, every_vector
from app.drift.noise import Noise
from app.drift.norm import Norm
from app.drift.novelty import Novelty
from app.drift.spread import Spread
from app.drift.top1 import Top1
from app.drift.whitening import Dimensions, Whitening
from app.drift.window import Window
from app.tree import Tree


def to_tree(calibrations: Mapping[str, Calibration]) -> Tree:
    """The limits of one baseline, for windows of each duration; some 120 KiB a duration for vectors of 768 numbers.

    They are of one baseline, which stands in it once. Not for limits that were `rebased`.
    """
    baseline = next((each.baseline for each in calibrations.values()), None)
    return {
        "baseline": None if baseline is None else baseline.freeze(),
        "windows": {name: _calibration(each) for name, each in calibrations.items()},
    }


def from_tree(tree: Tree, space: Whitening | None) -> dict[str, Calibration]:
    """The limits that `to_tree` was asked of, to the last bit; `space` is that of the baseline's frame.

    Raises KeyError, TypeError or ValueError for those of other statistics than this version has.
    """
    if not tree["windows"]:
        return {}
    baseline = Window.thaw(tree["baseline"])
    return {name: _to_calibration(each, baseline, space) for name, each in tree["windows"].items()}


def _calibration(limits: Calibration) -> Tree:
    return {
        "vectors": None if limits.vectors is None else _vectors(limits.vectors),
        "norm": None if limits.norm is None else {"median": limits.norm.median, "limits": asdict(limits.norm.limits)},
        "top1": None if limits.top1 is None else asdict(limits.top1.limits),
        "invalid": asdict(limits.invalid),
        "alpha": limits.alpha,
        "windows": limits.windows,
        "time_matched": limits.time_matched,
    }


def _to_calibration(tree: Tree, baseline: Window, space: Whitening | None) -> Calibration:
    vectors, norm, top1 = tree["vectors"], tree["norm"], tree["top1"]
    if (vectors is not None and space is None) or (norm is not None and baseline.norms is None):
        raise ValueError("limits of another baseline")
    if top1 is not None and baseline.top1 is None:
        raise ValueError("limits of another baseline")
    return Calibration(
        baseline=baseline,
        vectors=None if vectors is None or space is None else _to_vectors(vectors, baseline, space),
        norm=None
        if norm is None or baseline.norms is None
        else Norm(baseline.norms, norm["median"], Limit(**norm["limits"])),
        top1=None if top1 is None or baseline.top1 is None else Top1(baseline.top1, Limit(**top1)),
        invalid=Invalid(**tree["invalid"]),
        alpha=tree["alpha"],
        windows=tree["windows"],
        time_matched=tree["time_matched"],
    )


def _vectors(limits: VectorLimits) -> Tree:
    return {
        "mean_shift": _shift(limits.mean_shift),
        "novelty": asdict(limits.novelty.noise),
        "mahalanobis": asdict(limits.mahalanobis.noise),
        "spread": {"base": limits.spread.base, "noise": asdict(limits.spread.noise)},
        "joint": None if limits.joint is None else _shift(limits.joint),
        "novelties": [asdict(level) for level in limits.novelties.levels],
    }


def _to_vectors(tree: Tree, baseline: Window, space: Whitening) -> VectorLimits:
    return VectorLimits(
        mean_shift=_to_shift(tree["mean_shift"], baseline, space, every_vector),
        novelty=Novelty(Noise(**tree["novelty"])),
        mahalanobis=MeanDistance(Noise(**tree["mahalanobis"])),
        spread=Spread(tree["spread"]["base"], Noise(**tree["spread"]["noise"])),
        joint=None if tree["joint"] is None else _to_shift(tree["joint"], baseline, space, novel_vectors),
        novelties=Novelties(tuple(Noise(**level) for level in tree["novelties"])),
    )


def _shift(shift: MeanShift) -> Tree:
    return {
        "dimensions": shift.dimensions._asdict(),
        "centre": shift.centre,
        "centre_noise": shift.centre_noise,
        "design_effect": shift.design_effect,
        "directions": shift.directions._asdict(),
        "drift": shift.drift,
        "wobble": shift.wobble,
        "freedom": shift.freedom,
        "floor": shift.floor,
        "witness": shift.witness._asdict(),
    }


def _to_shift(tree: Tree, baseline: Window, space: Whitening, moment: Callable[[Window], Moment]) -> MeanShift:
    others = {"dimensions": Dimensions, "directions": Directions, "witness": Witness}
    plain = {name: value for name, value in tree.items() if name not in others}
    return MeanShift(
        space=space,
        moment=moment,
        baseline=moment(baseline),
        **plain,
        **{name: kind(**tree[name]) for name, kind in others.items()},
    )
