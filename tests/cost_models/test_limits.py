from dataclasses import replace

from codegen.measurement import Ram
from cost_models.limits import Limits, Violation, violations
from cost_models.prediction import Interval, Prediction

PREDICTION = Prediction(
    board="nucleo-l4r5zi",
    core="cortex-m4",
    confidence=0.95,
    macs=1000,
    ram=Ram(arena=2048, io=74, scratch=100, stack=152, static=0),
    flash=Interval(8000.4, 7900.2, 8100.6),
    cycles=Interval(5000.0, 4900.0, 5100.0),
    latency_ms=Interval(2.0, 1.9, 2.1),
    layers=(),
)


def test_upper_ends_are_compared() -> None:
    assert violations(PREDICTION, Limits(flash=8100)) == (Violation("flash", 8100.6, 8100),)
    assert violations(PREDICTION, Limits(flash=8101)) == ()
    assert violations(PREDICTION, Limits(latency_ms=2.05)) == (Violation("latency", 2.1, 2.05),)


def test_ram_limit_holds_stack_and_statics() -> None:
    assert violations(PREDICTION, Limits(ram=2200)) == ()
    assert violations(PREDICTION, Limits(ram=2199)) == (Violation("ram", 2200, 2199),)
    with_static = replace(PREDICTION, ram=replace(PREDICTION.ram, static=1))
    assert [v.limit for v in violations(with_static, Limits(ram=2200))] == ["ram"]


def test_a_limit_that_is_met_exactly_holds() -> None:
    assert violations(PREDICTION, Limits(macs=1000)) == ()
    assert [v.limit for v in violations(PREDICTION, Limits(macs=999))] == ["macs"]


def test_json_says_null_without_a_limit_and_rounds_flash_outwards() -> None:
    result = PREDICTION.to_json(Limits(ram=2200, latency_ms=2.0))
    assert result["fits"] == {"ram": True, "flash": None, "latency": False}
    assert result["flash"] == {"value": 8000, "low": 7900, "high": 8101}
    assert result["ram"]["total"] == 2200
    assert set(result) == {"board", "core", "confidence", "macs", "ram", "flash", "cycles", "latency_ms", "fits"}
