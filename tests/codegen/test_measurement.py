"""The record of a measurement: contract of its JSON, totals, text."""

from __future__ import annotations

import json
from dataclasses import replace

from codegen.measurement import AnomalyMeasurement, Flash, LayerMeasurement, Ram, Verification, render


def verification(mismatches: int = 0) -> Verification:
    return Verification(
        mismatches=mismatches,
        inputs=3,
        instructions=1000.0,
        cycles=1234.5,
        latency_ms=0.5,
        ram=Ram(arena=100, io=20, scratch=8, stack=40, static=3),
        flash=Flash(code=500, constants=700),
        macs=600,
        layers=(LayerMeasurement("first", "Conv2D", 600, 900.0, 1100.0),),
        core="cortex-m4",
        board="some-board",
        compiler="some compiler",
    )


def test_json_has_exactly_the_contract_keys() -> None:
    assert json.loads(json.dumps(verification().to_json())) == {
        "bit_exact": True,
        "mismatches": 0,
        "inputs": 3,
        "instructions": 1000,
        "cycles": 1234.5,
        "latency_ms": 0.5,
        "ram": {"arena": 100, "io": 20, "scratch": 8, "stack": 40, "static": 3, "total": 143},
        "flash": {"code": 500, "constants": 700, "total": 1200},
        "macs": 600,
        "layers": [{"name": "first", "op": "Conv2D", "macs": 600, "instructions": 900, "cycles": 1100}],
        "core": "cortex-m4",
        "board": "some-board",
        "compiler": "some compiler",
    }


def test_what_json_holds_comes_back() -> None:
    strip = LayerMeasurement("first_1", "Conv2D", 300, 450.0, 550.0, part_of="first", flash=Flash(150, 200))
    alone = replace(verification(), cycles=1000.0, layers=())
    whole = replace(
        verification(),
        layers=(strip,),
        network=alone,
        anomaly=AnomalyMeasurement(flash=9, instructions=5.0, cycles=7.0, scores=(1, 2)),
        shared=Flash(20, 10),
    )
    assert whole.to_json()["flash"]["around"] == {"code": 330, "constants": 490, "total": 820}
    back = Verification.from_json(json.loads(json.dumps(whole.to_json())))
    assert back.to_json() == whole.to_json()
    assert back.layers == (strip,)
    assert back.shared == Flash(20, 10)
    assert back.anomaly == AnomalyMeasurement(flash=9, instructions=5, cycles=7, scores=())
    assert back.network is not None
    assert back.network.anomaly is None


def test_text_says_whether_it_is_exact_and_where_the_time_goes() -> None:
    text = render(verification(mismatches=2))
    assert "NOT bit-exact" in text
    assert "2 differ" in text
    assert "143 bytes = arena 100 + stack 40 + static 3" in text
    between = next(line for line in text.splitlines() if line.startswith("between the layers"))
    assert between.split()[-3:] == ["100", "134", "-"]


def test_text_of_an_exact_result_says_so() -> None:
    assert render(verification()).startswith("bit-exact: 3 inputs, all equal")


def test_cycles_of_a_core_without_a_published_table_are_called_an_estimate() -> None:
    assert "estimate, ±" not in render(verification())
    line = next(x for x in render(replace(verification(), core="cortex-m7")).splitlines() if x.startswith("cycles"))
    assert "1,234 per inference" in line
    assert "(estimate, ±25 %)" in line


def test_strips_of_an_operator_are_shown_as_one_layer() -> None:
    strips = tuple(LayerMeasurement(f"conv strip {i}", "Conv2D", 100, 150.0, 200.0, "conv") for i in range(3))
    lines = render(replace(verification(), layers=strips)).splitlines()
    (row,) = [line for line in lines if line.startswith("conv")]
    assert row.split() == ["conv", "(3", "strips)", "Conv2D", "300", "450", "600", "2.00"]


def test_text_tells_flash_layer_by_layer_where_it_is_known() -> None:
    sizes = (Flash(90, 100), Flash(45, 100))
    strips = tuple(LayerMeasurement(f"strip {i}", "Conv2D", 100, 150.0, 200.0, "conv", size) for i, size in enumerate(sizes))
    text = render(replace(verification(), layers=strips, shared=Flash(65, 0)))
    rows = {line.split("  ")[0]: line.split()[-2:] for line in text.splitlines()}
    assert rows["layer"] == ["code", "constants"]
    assert rows["conv (2 strips)"] == ["135", "200"]
    assert rows["shared by layers"] == ["65", "0"]
    assert rows["between the layers"] == ["300", "500"]  # all that is left of 500 and 700
    assert "constants" not in render(verification()).splitlines()[-2]
