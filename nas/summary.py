"""A search in words: what begins, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codegen.cores import find_core
from codegen.project.operation_words import operation_words
from nas.metrics import describe
from nas.study.board_report import report_on
from nas.text_table import table
from nas.units import format_duration, format_size

if TYPE_CHECKING:
    from cost_models.limits import Limits
    from nas.run_directory import BoardDirectory, RunDirectory
    from nas.study.preparation import Preparation
    from nas.study.settings import SearchSettings

STRATEGIES = {
    "search": "winner",
    "random": "best of random search",
    "largest": "largest that fits",
    "hand_designed": "hand-designed",
}
"""What a strategy came to, in words."""


def opening(run: RunDirectory, settings: SearchSettings, preparation: Preparation) -> str:
    """What is searched for, and where it goes."""
    parts = parts_text(len(preparation.train_set), len(preparation.validation), len(preparation.splits))
    boards = [
        line
        for fits in preparation.boards
        for line in (
            f"board    {fits.board.name} ({fits.board.core}, {fits.board.clock_hz / 1e6:.0f} MHz)",
            f"limits   {_limits_text(fits.limits)}",
        )
    ]
    return "\n".join(
        (
            f"data     {settings.data}: {parts}; the test part stays untouched until the end",
            *([f"split    {settings.split}"] if settings.split else []),
            *boards,
            f"run      {run.path}",
        )
    )


def parts_text(train: int, validation: int, folds: int) -> str:
    """How many examples there are to train and to validate on."""
    if folds == 1:
        return f"{train:,} to train on, {validation:,} to validate on"
    return f"{train + validation:,} to train on, each of {folds} folds once to validate on"


def _limits_text(limits: Limits) -> str:
    bounds = [f"RAM {format_size(limits.ram or 0)}", f"flash {format_size(limits.flash or 0)}"]
    if limits.latency_ms is not None:
        bounds.append(f"latency {limits.latency_ms:g} ms")
    if limits.macs is not None:
        bounds.append(f"{limits.macs:,} MACs")
    return ", ".join(bounds)


def summary(run: RunDirectory, report: Mapping[str, Any]) -> str:
    """The end of a search: for each board the winner predicted and built, the baselines beside it; what was rejected, what next."""
    boards = report.get("boards")
    told: list[str] = []
    places: list[tuple[Mapping[str, Any], BoardDirectory]] = [(report, run)]
    if boards is None:
        told = _board(report)
    else:
        places = [(report_on(report, name), run.of_board(name)) for name in boards]
        for part, _ in places:
            told += ["", f"{part['board']} ({part['core']})", *_board(part)]
    lines = [
        *told,
        "",
        *(_study(name, study) for name, study in report["studies"].items()),
        *_teacher(report.get("teacher")),
        *(["weights of wide layers have 4 bits"] if report.get("weight_bits", 8) == 4 else []),
        *(["refit: what was built learnt the validation data, too"] if report.get("refit") else []),
        *(_cost_model(part["cost_model"], "" if boards is None else f" on {part['board']}") for part, _ in places),
        f"took {format_duration(report['seconds'])}",
        "",
        f"look at it  nas report {run.path}",
    ]
    for part, place in places:
        arrays, number = place.verification, part["winner"]["trial"]["number"]
        lines += [
            f"C project   {place.winner}",
            f"check it    nas verify {place.winner} --inputs {arrays}/inputs.npy --expect {arrays}/expected.npy",
            f"export      nas export {run.path}:{number} --board {run.board_option(part['board'])} --out DIR",
        ]
    return "\n".join(lines).lstrip("\n")


def _board(report: Mapping[str, Any]) -> list[str]:
    """A board's winner, predicted and built, and the baselines beside it."""
    winner = report["winner"]
    trial, test = winner["trial"], winner["test"]
    low, high = test["interval"]
    metric = describe(test["metric"])
    return [
        f"winner: trial {trial['number']}, {metric} {test['int8']:.2%} on {test['n']} test examples in int8 "
        f"({test['float']:.2%} in float; other examples: {low:.1%} to {high:.1%})",
        *_groups(metric, test["groups"]),
        *alarm_lines(test),
        *stream_lines(winner.get("stream")),
        "",
        *_layers(winner["built"]["layers"]),
        "",
        *_figures(winner, report["limits"]),
        "",
        *_front(report),
        *_comparison(report),
    ]


def _groups(metric: str, groups: Mapping[str, Any] | None) -> list[str]:
    """How the winner does by person, or whatever the groups are: a mean hides those that it fails."""
    if groups is None or groups["count"] < 2:
        return []
    lowest = ", ".join(f"{group['name']} {group['score']:.1%}" for group in groups["lowest"][:3])
    spread = f"{groups['min']:.1%} to {groups['max']:.1%}, median {groups['median']:.1%}"
    return [f"{metric} by {groups['kind']}: {spread} over {groups['count']}; lowest: {lowest}"]


def alarm_lines(test: Mapping[str, Any]) -> list[str]:
    """Of a detector of anomalies the area under the precision-recall curve, and what comes of an alarm where the score passes the
    threshold."""
    alarm = test.get("alarm")
    if alarm is None:
        return []
    precise = [f"AUPRC {test['auprc']:.3f}"] if "auprc" in test else []  # older runs lack it
    return [
        *precise,
        f"alarm above {alarm['threshold']:.3f}: {alarm['detected']:.1%} of anomalies detected, {alarm['false_alarms']:.1%} false "
        f"alarms (chosen for {alarm['false_alarms_on_validation']:.0%} of normal validation examples)",
    ]


def stream_lines(stream: Mapping[str, Any] | None) -> list[str]:
    """How often a network is wrong that listens all the time."""
    if stream is None:
        return []
    settings, operation = stream["settings"], stream["operation"]
    words, test = operation_words(operation), operation["test"]
    chosen = test["chosen"]
    false = f"{chosen['false_accepts_per_hour']:.4g}" if test["hours"] else f"{chosen['false_accepts']}"
    decisions = f"means over {settings['smoothing']} decisions" if settings["smoothing"] > 1 else "single decisions"
    return [
        f"pushed as a stream ({decisions}, threshold {words.threshold(chosen)}): {chosen['false_rejects']:.1%} of "
        f"{test['events']} {words.events} missed, {false} {words.false}{' an hour' if test['hours'] else ''} "
        f"(chosen on validation data)"
    ]


def _layers(layers: list[Mapping[str, Any]]) -> list[str]:
    rows = [("layer", "operator", "MACs", "cycles")]
    rows += [(layer["name"], layer["op"], f"{layer['macs']:,}", f"{layer['cycles']:,.0f}") for layer in layers]
    return table(rows, "llrr")


def _interval(value: Mapping[str, float], digits: int) -> str:
    return f"{value['value']:,.{digits}f} ({value['low']:,.{digits}f} to {value['high']:,.{digits}f})"


def _cycles(core: str) -> str:
    note = find_core(core).timing_note
    return f"cycles ({note})" if note else "cycles"


def prediction_text(predicted: Mapping[str, Any], limits: Mapping[str, Any]) -> str:
    """A prediction (as ``nas predict --json`` prints it) for people, with the limits that are set."""
    ram = predicted["ram"]

    def row(name: str, value: str, key: str, limit: str) -> tuple[str, ...]:
        bound = limits[limit]
        fits = predicted["fits"].get(key)
        verdict = "" if fits is None else "fits" if fits else "does NOT fit"
        return (name, value, "" if bound is None else f"{bound:,g}" if isinstance(bound, float) else f"{bound:,}", verdict)

    rows = [
        ("", f"predicted ({predicted['confidence']:.0%} interval)", "limit", ""),
        row("RAM, bytes", f"{ram['total']:,} (arena {ram['arena']:,}, stack {ram['stack']:,})", "ram", "ram"),
        row("flash, bytes", _interval(predicted["flash"], 0), "flash", "flash"),
        (_cycles(predicted["core"]), _interval(predicted["cycles"], 0), "", ""),
        row("latency, ms", _interval(predicted["latency_ms"], 3), "latency", "latency_ms"),
        row("MACs", f"{predicted['macs']:,}", "macs", "macs"),
    ]
    if "network" in predicted:
        alone = predicted["network"]
        rows += [
            ("without the features:", "", "", ""),
            ("  RAM, bytes", f"{alone['ram']['total']:,}", "", ""),
            ("  flash, bytes", _interval(alone["flash"], 0), "", ""),
            ("  cycles", _interval(alone["cycles"], 0), "", ""),
            ("  latency, ms", _interval(alone["latency_ms"], 3), "", ""),
        ]
    return "\n".join([f"{predicted['board']} ({predicted['core']})", "", *table(rows, "lrrl")])


def _figures(winner: Mapping[str, Any], limits: Mapping[str, Any]) -> list[str]:
    predicted, built = winner["predicted"], winner["built"]

    def bound(key: str, digits: int = 0) -> str:
        return "" if limits[key] is None else f"{limits[key]:,.{digits}f}"

    rows = [
        ("", "predicted", "built", "limit"),
        ("arena, bytes", f"{predicted['ram']['arena']:,}", f"{built['ram']['arena']:,}", ""),
        ("RAM, bytes", f"{predicted['ram']['total']:,}", f"{built['ram']['total']:,}", bound("ram")),
        ("flash, bytes", _interval(predicted["flash"], 0), f"{built['flash']['total']:,}", bound("flash")),
        (_cycles(built["core"]), _interval(predicted["cycles"], 0), f"{built['cycles']:,.0f}", ""),
        ("latency, ms", _interval(predicted["latency_ms"], 3), f"{built['latency_ms']:.3f}", bound("latency_ms", 3)),
        ("MACs", f"{predicted['macs']:,}", f"{built['macs']:,}", bound("macs")),
    ]
    if "network" in built:
        rows += _network_alone(predicted["network"], built["network"])
    return table(rows, "lrrr")


def _network_alone(predicted: Mapping[str, Any], built: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Rows for what is left where the features are taken off."""
    return [
        ("without the features:", "", "", ""),
        ("  RAM, bytes", f"{predicted['ram']['total']:,}", f"{built['ram']['total']:,}", ""),
        ("  flash, bytes", _interval(predicted["flash"], 0), f"{built['flash']['total']:,}", ""),
        ("  cycles", _interval(predicted["cycles"], 0), f"{built['cycles']:,.0f}", ""),
        ("  latency, ms", _interval(predicted["latency_ms"], 3), f"{built['latency_ms']:.3f}", ""),
    ]


def _comparison(report: Mapping[str, Any]) -> list[str]:
    rows = [("", "test int8", "test float", "RAM", "flash", "latency")]
    for name, figures in {"search": report["winner"], **report["baselines"]}.items():
        test, built = figures["test"], figures["built"]
        same = name != "search" and figures["trial"]["architecture"] == report["winner"]["trial"]["architecture"]
        rows.append(
            (
                strategy_text(name, figures) + (" (the same network)" if same else ""),
                f"{test['int8']:.2%}",
                f"{test['float']:.2%}",
                format_size(built["ram"]["total"]),
                format_size(built["flash"]["total"]),
                f"{built['latency_ms']:.3f} ms",
            )
        )
    reasons = report.get("without_baseline", {})  # which older runs do not have
    return [*table(rows, "lrrrrr"), *(f"{STRATEGIES[name]}: {reason}" for name, reason in reasons.items())]


def strategy_text(name: str, figures: Mapping[str, Any]) -> str:
    """``hand-designed (DS-CNN, width 0.625)``: what a strategy came to, in words."""
    design = figures.get("design")
    told = STRATEGIES.get(name, name)
    return told if design is None else f"{told} ({design['name']}, width {design['width']:.3g})"


def _front(report: Mapping[str, Any]) -> list[str]:
    """The finalists that none of the others beats, where costs are objectives."""
    if len(report["objectives"]) == 1:
        return []
    metric, number = report["winner"]["test"]["metric"], report["winner"]["trial"]["number"]
    rows = [(f"front by {', '.join(report['objectives'])}", f"{describe(metric)} int8", "RAM", "flash", "latency", "MACs", "")]
    rows += [
        (
            f"trial {entry['trial']}",
            f"{entry['int8']:.2%}",
            format_size(entry["ram"]),
            format_size(entry["flash"]),
            f"{entry['latency_ms']:.3f} ms",
            f"{entry['macs']:,}",
            "winner" if entry["trial"] == number else "",
        )
        for entry in report["front"]
    ]
    return [*table(rows, "lrrrrrl"), "(on the validation data; the winner is the cheapest up to a standard error)", ""]


def _study(name: str, study: Mapping[str, Any]) -> str:
    rejected = study["rejected"]
    by_limit = ", ".join(f"{limit} {count}" for limit, count in rejected["by_limit"].items())
    failed = f", {study['failed']} failed" if study["failed"] else ""
    reasons = f" ({by_limit})" if by_limit else ""
    return (
        f"{name}: {study['completed']} trials{failed}{stopped_text(study)}; "
        f"rejected before training: {rejected['candidates']} candidates{reasons}"
    )


def saved_text(stops: Mapping[str, Any]) -> str:
    """What stopping trials early saved (``early_stops`` of a study)."""
    return f"saved {stops['saved']:,} of {stops['epochs']:,} epochs ({stops['saved'] / stops['epochs']:.0%})"


def stopped_text(study: Mapping[str, Any]) -> str:
    """How many more of a study's trials were stopped early; empty where none was."""
    stops = study.get("early_stops")  # which earlier versions did not count
    return f", {stops['stopped']} more stopped early, which {saved_text(stops)}" if stops and stops["stopped"] else ""


def _teacher(teacher: Mapping[str, Any] | None) -> list[str]:
    """The network that finalists learnt from."""
    if teacher is None:
        return []
    if "error" in teacher:
        return [f"teacher: none, its training failed: {teacher['error']}"]
    validation = teacher["validation"]
    told = f"{describe(validation['metric'])} {validation['float']:.2%} on the validation data in float, {teacher['macs']:,} MACs"
    return [f"teacher: {told}, trained in {format_duration(teacher['seconds'])}"]


def _cost_model(truth: Mapping[str, Any], where: str) -> str:
    figures = truth["figures"]
    errors = ", ".join(f"{name} off by {figures[name]['error']:.1%}" for name in ("cycles", "flash"))
    broken = [f"{name} of {figure['outside']}" for name, figure in figures.items() if figure["outside"]]
    verdict = f"outside of what was predicted: {', '.join(broken)}" if broken else "all as predicted"
    refitted = f"; refitted in {truth['refitted']}" if truth["refitted"] else ""
    return f"cost model{where}: {figures['cycles']['networks']} networks built, {errors} on average; {verdict}{refitted}"
