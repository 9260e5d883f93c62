"""A real board as a measuring device: a harness in its flash, programs in its RAM, a serial line between."""

from codegen.harness.device import BAUD, Device, Hello, pseudo_random
from codegen.harness.firmware import uart_names, write_firmware
from codegen.harness.line import Line
from codegen.harness.measure import measure_on_board

__all__ = ["BAUD", "Device", "Hello", "Line", "measure_on_board", "pseudo_random", "uart_names", "write_firmware"]
