"""``nas report``: one page about a run, of whatever the run holds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from html_tags import Tags

from nas.cli import cli
from nas.executor import SerialExecutor
from nas.progress import SilentProgress
from nas.report import report_page
from nas.report.evidence import Evidence
from nas.report.importances import parameter_importances
from nas.report.page import SECTIONS
from nas.run_directory import RunDirectory
from nas.study.driver import run_search
from nas.study.preparation import prepare
from nas.study.settings import read_run_settings
from nas.study.tasks import finish

NASTY = ["<script>alert('π')</script>", 'Größe & "Maß"', "日本", "</title><b>", *"456789"]


def nas(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), prog_name="nas")


def edited(run: RunDirectory, edit: Callable[[dict[str, Any]], None]) -> str:
    """The page's text after a change of the run's report."""
    report = json.loads(run.report.read_text())
    edit(report)
    run.report.write_text(json.dumps(report))
    return Tags(report_page(run)).text


def check_self_contained(page: str) -> Tags:
    tags = Tags(page)
    assert all(source.startswith("#") for source in tags.sources)
    assert not {"link", "iframe", "object", "img"} & set(tags.seen)
    assert "@import" not in page
    assert "url(" not in page
    assert not re.search(r"\bfetch\(|XMLHttpRequest|https?://(?!www\.w3\.org/2000/svg)", page)
    return tags


def test_a_run_without_a_winner_shows_its_trials(unfinished: RunDirectory) -> None:
    result = nas("report", str(unfinished.path))
    assert result.exit_code == 0, result.output
    assert result.output == f"written to {unfinished.path / 'report.html'}\n"
    page = (unfinished.path / "report.html").read_text()
    text = check_self_contained(page).text
    assert f"nas resume {unfinished.path}" in text
    for words in ("no winner yet", "No finalist has been built yet", "test part stays untouched", "Trial 3:", "Trial 3 of random:"):
        assert words in text
    assert page.count('class="mark trial"') == 2 * 12 + 2  # in the front and in the history, and in the legend of each
    assert report_page(unfinished) == page
    assert sorted(p.name for p in unfinished.path.iterdir() if "report" in p.name) == ["report.html"]


def test_a_run_without_trials_has_a_page(unfinished: RunDirectory) -> None:
    unfinished.journal.write_bytes(b"")
    assert "No trial has ended yet" in Tags(report_page(unfinished)).text


def test_the_front_is_drawn_against_the_cost_nearest_to_its_limit(unfinished: RunDirectory) -> None:
    page = report_page(unfinished)
    trials = Evidence(unfinished).trials
    tightest = "ram" if max(t.costs["ram"] for t in trials) / 3072 > max(t.costs["flash"] for t in trials) / 24576 else "flash"
    (checked,) = re.findall(r'<input type="radio" name="cost" value="(\w+)" checked', page)
    assert checked == tightest
    shown = re.findall(r'<g data-cost="(\w+)"(?: class="(\w+)")?>', page)
    assert [name for name, hidden in shown if not hidden] == [tightest]
    assert len(shown) == 4


def test_importances_are_optunas(unfinished: RunDirectory) -> None:
    importances = parameter_importances(Evidence(unfinished))
    assert sum(importances.values()) == pytest.approx(1)
    assert list(importances.values()) == sorted(importances.values(), reverse=True)
    page = report_page(unfinished)
    assert f"<code>{next(iter(importances))}</code>" in page
    assert "PED-ANOVA" in page


def test_too_few_trials_say_nothing_of_choices(unfinished: RunDirectory) -> None:
    lines = unfinished.journal.read_bytes().splitlines(keepends=True)
    ended = [i for i, line in enumerate(lines) if b'"op_code":6' in line]
    unfinished.journal.write_bytes(b"".join(lines[: ended[4] + 1]))
    assert "too few to tell which choices matter" in Tags(report_page(unfinished)).text


def test_the_page_may_go_elsewhere(unfinished: RunDirectory, tmp_path: Path) -> None:
    assert nas("report", str(unfinished.path), "--out", str(tmp_path / "page.html")).exit_code == 0
    assert (tmp_path / "page.html").is_file()
    assert not (unfinished.path / "report.html").exists()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda run: run.report.write_text("{"), "report.json: damaged"),
        (lambda run: run.report.write_text("{}\n"), "report.json: not of format 1"),
        (lambda run: run.report.write_text('{"format": 1, "winner": 3, "baselines": {}}'), "report.json"),
        (lambda run: run.journal.write_text("{}\n{}\n"), "study.journal"),
        (lambda run: (run.path / "search.toml").write_text("format = 9"), "search.toml"),
    ],
)
def test_a_damaged_run_gives_one_line_and_no_page(
    damage: Callable[[RunDirectory], None], words: str, unfinished: RunDirectory
) -> None:
    damage(unfinished)
    result = nas("report", str(unfinished.path))
    assert result.exit_code == 2
    assert result.stderr.startswith("nas: ")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr
    assert not (unfinished.path / "report.html").exists()


def test_bad_arguments_give_one_line(unfinished: RunDirectory) -> None:
    for arguments in (["none"], [str(unfinished.path), "--out", "/none/page.html"]):
        result = nas("report", *arguments)
        assert result.exit_code == 2
        assert "none" in result.stderr


@pytest.mark.slow
def test_a_finished_run_shows_everything(finished: RunDirectory) -> None:
    page = report_page(finished)
    tags = check_self_contained(page)
    report = json.loads(finished.report.read_text())
    for make in SECTIONS:
        assert f'<section id="{make(Evidence(finished)).anchor}"' in page
    assert re.findall(r'<p class="absent">(.*?)</p>', page) == []
    winner = report["winner"]
    for value in (winner["built"]["ram"]["total"], winner["built"]["flash"]["total"], winner["built"]["cycles"]):
        assert f"{value:,.0f}" in tags.text
    for layer in winner["built"]["layers"]:
        assert layer["name"] in tags.text
    built = winner["built"]["flash"]
    parts = [*(layer["flash"] for layer in winner["built"]["layers"]), built["shared"], built["around"]]
    assert all(sum(part[key] for part in parts) == built[key] for key in ("code", "constants", "total"))
    assert "shared by layers" in tags.text
    assert f"{winner['test']['int8']:.2%}" in tags.text
    assert {"winner", "finalist", "largest", "hand_designed"} <= set(re.findall(r'class="mark ([\w-]+)"', page))
    assert f"a larger network of {report['teacher']['macs']:,} MACs, the teacher" in tags.text
    assert "nas search --config" in tags.text
    assert (finished.path / "search.toml").read_text() in unescape(page)


@pytest.mark.slow
def test_the_search_keeps_what_the_report_shows(finished: RunDirectory) -> None:
    report = json.loads(finished.report.read_text())
    winner = report["winner"]
    predicted, built = winner["predicted"]["layers"], winner["built"]["layers"]
    assert [(layer["name"], layer["op"], layer["macs"]) for layer in predicted] == [
        (layer["name"], layer["op"], layer["macs"]) for layer in built
    ]
    assert max(layer["ram"] for layer in predicted) == winner["built"]["ram"]["arena"]
    assert sum(layer["constants"] for layer in predicted) == winner["built"]["flash"]["constants"]
    for finalist in report["finalists"]:
        kept = json.loads(finished.finalist_file(finalist["architecture"], ".json").read_text())
        assert len(kept["losses"]) == len(kept["curve"]) > 0
        assert kept["fine_tuned"] == finalist["fine_tuned"]


@pytest.mark.slow
@pytest.mark.parametrize(("fine_tuned", "form"), [(True, "fine-tuned"), (False, "rounded")])
def test_the_int8_form_of_each_finalist_is_named(finished: RunDirectory, fine_tuned: bool, form: str) -> None:
    def all_alike(report: dict[str, Any]) -> None:
        for finalist in report["finalists"]:
            finalist["fine_tuned"] = fine_tuned

    rows = re.findall(r"%\s*(fine-tuned|rounded)", edited(finished, all_alike))
    assert set(rows) == {form}


@pytest.mark.slow
def test_of_an_older_run_code_is_shown_as_predicted(finished: RunDirectory) -> None:
    def older(report: dict[str, Any]) -> None:
        built = report["winner"]["built"]
        del built["flash"]["shared"], built["flash"]["around"]
        for layer in built["layers"]:
            del layer["flash"]

    text = edited(finished, older)
    assert "shared by layers" not in text
    assert "Code: of the layer's own function, as predicted" in text


@pytest.mark.slow
def test_names_of_classes_are_text_whatever_is_in_them(finished: RunDirectory) -> None:
    text = edited(finished, lambda report: report["data"].update(classes=NASTY, name="<script>x</script>"))
    for name in NASTY:
        assert name in text
    assert "<script>x</script>: 10 classes" in text
    assert "<script>alert" not in report_page(finished)


@pytest.mark.slow
def test_groups_that_the_winner_fails_are_named(finished: RunDirectory) -> None:
    def spread(report: dict[str, Any]) -> None:
        lowest = [{"name": "<b>Zoë", "score": 0.5, "n": 12}, {"name": "b", "score": 1.0, "n": 9}]
        groups = {"kind": "speaker", "count": 2, "min": 0.5, "median": 0.75, "max": 1.0, "lowest": lowest}
        report["winner"]["test"]["groups"] = groups

    text = edited(finished, spread)
    assert "By speaker: 50.0% to 100.0%, median 75.0% over 2." in text
    assert "<b>Zoë50.0%12" in text


@pytest.mark.slow
def test_the_alarm_of_an_anomaly_detector_is_told(finished: RunDirectory) -> None:
    def detector(report: dict[str, Any]) -> None:
        del report["winner"]["test"]["confusion"]
        alarm = {"threshold": 1.25, "detected": 0.9, "false_alarms": 0.02, "false_alarms_on_validation": 0.01}
        report["winner"]["test"]["alarm"] = alarm

    text = edited(finished, detector)
    assert "Alarm above 1.250: 90.0% of anomalies detected, 2.0% false alarms" in text
    assert "An anomaly detector has no classes" in text


@pytest.mark.slow
def test_what_an_older_run_did_not_keep_is_said(finished: RunDirectory) -> None:
    def older(report: dict[str, Any]) -> None:
        del report["winner"]["test"]["interval"]
        del report["winner"]["test"]["groups"]
        del report["winner"]["test"]["confusion"]
        del report["winner"]["predicted"]["layers"]
        del report["baselines"]["hand_designed"], report["without_baseline"]
        del report["teacher"]
        for finalist in report["finalists"]:
            del finalist["fine_tuned"]

    for path in (finished.path / "finalists").glob("*.json"):
        content = json.loads(path.read_text())
        del content["losses"]
        path.write_text(json.dumps(content))
    (finished.winner / "memory_map.svg").unlink()
    text = edited(finished, older)
    for words in (
        "did not keep the winner's confusion matrix",
        "did not keep what was predicted of single layers",
        "did not keep the training loss",
        "memory_map.svg is not there",
        "No hand-designed network was among the baselines",
    ):
        assert words in text


@pytest.mark.slow
def test_a_hand_designed_network_is_named_or_why_there_is_none(finished: RunDirectory) -> None:
    text = Tags(report_page(finished)).text
    assert "hand-designed (plain ResNet-8, width " in text
    assert "The hand-designed network is plain ResNet-8 (the classifier of CIFAR-10 of MLPerf Tiny, arXiv:2106.07597" in text

    def none_fits(report: dict[str, Any]) -> None:
        del report["baselines"]["hand_designed"]
        report["without_baseline"]["hand_designed"] = "plain ResNet-8 does not fit, at its narrowest it needs more"

    assert "Hand-designed: plain ResNet-8 does not fit, at its narrowest it needs more." in edited(finished, none_fits)


@pytest.mark.slow
def test_the_search_and_how_examples_were_varied_are_said(finished: RunDirectory) -> None:
    text = Tags(report_page(finished)).text
    assert "evolution, 24 trials in all, seed 5" in text  # a dozen of the search, a dozen of the random baseline
    assert "Examples were varied: shifted, turned, zoomed and sheared a little, afresh for every batch." in text

    def as_they_are(report: dict[str, Any]) -> None:
        report["augmentation"] = None

    assert "Examples were taken as they are." in edited(finished, as_they_are)


class Dying(SerialExecutor):
    """Whoever trains a finalist runs out of memory."""

    def submit(self, function: Callable[..., Any], *arguments: Any) -> int:
        return super().submit(out_of_memory if function is finish else function, *arguments)


def out_of_memory(*_: Any) -> None:
    raise MemoryError("a worker died")


@pytest.mark.slow
def test_a_baseline_that_failed_says_by_what(finished: RunDirectory) -> None:
    largest = finished.read_report()["baselines"]["largest"]["trial"]["architecture"]
    assert largest != finished.read_report()["winner"]["trial"]["architecture"]
    for ending in (".json", ".safetensors", ".float.safetensors"):
        (finished.path / "finalists" / f"{largest}{ending}").unlink()
    finished.report.unlink()
    settings = read_run_settings(finished)
    report = run_search(finished, settings, prepare(settings), Dying(), SilentProgress())
    reason = "every finalist failed; the first one: MemoryError: a worker died"
    assert report["without_baseline"] == {"largest": reason}
    assert f"Largest that fits: {reason}." in Tags(report_page(finished)).text


@pytest.mark.slow
def test_of_very_many_classes_the_mistakes_are_shown(finished: RunDirectory) -> None:
    def many(report: dict[str, Any]) -> None:
        confusion = [[9 if i == j else 0 for j in range(60)] for i in range(60)]
        confusion[58][3] = 4
        report["winner"]["test"]["confusion"] = confusion
        report["data"]["classes"] = [f"word {i}" for i in range(60)]

    text = edited(finished, many)
    assert "right on 540 of 544" in text
    assert re.search(r"word 58word 3430\.8%", text)
    assert "taken for →" not in text
