"""What it costs to bring recorded numbers to a network's input, by form of data and core.

    python scripts/bench_raw_input.py

Built at ``balanced`` and counted in the emulator, without a network behind. Prints the table of docs/features.md.
"""

from __future__ import annotations

from codegen.cores import find_core
from codegen.features import RawInput
from codegen.features.front_end_costs import front_end_costs

OFFSET, GAIN = (0.78, -0.01, 0.05, 0.002, -0.004, 0.001), (2.4, 2.6, 2.5, 1.8, 2.1, 2.9)
"""Of an accelerometer in g and a gyroscope in rad/s; in counts, of 720 to the unit."""
FORMS = {
    "window of 128x6, float": RawInput("window", "float32", (1, 128, 6), OFFSET, GAIN, 1 / 32, 0),
    "window of 128x6, 16 bits": RawInput(
        "window", "int16", (1, 128, 6), tuple(720 * v for v in OFFSET), tuple(v / 720 for v in GAIN), 1 / 32, 0
    ),
    "image of 32x32x3": RawInput("image", "uint8", (32, 32, 3), (0.0,), (1 / 255,), 1 / 255, -128),
    "image of 96x96x1": RawInput("image", "uint8", (96, 96, 1), (0.0,), (1 / 255,), 1 / 255, -128),
}
CORES = ("cortex-m4", "cortex-m0plus")


def main() -> None:
    """Print a row for each form and core."""
    print("| input | core | stack | code | constants | instructions | cycles | of a number |")
    print("|---|---|---|---|---|---|---|---|")
    for form, raw in FORMS.items():
        for name in CORES:
            costs = front_end_costs(raw, find_core(name))
            figures = (costs.stack, costs.flash.code, costs.flash.constants, round(costs.instructions), round(costs.cycles))
            each = f"{costs.cycles / raw.raw_size:.1f}"
            print(f"| {form} | {find_core(name).title} | {' | '.join(f'{value:,}' for value in figures)} | {each} |")
            form = ""


if __name__ == "__main__":
    main()
