/* SPDX-License-Identifier: Apache-2.0 */
/* UART0 of Arm's MPS2 with image AN386, as QEMU emulates it (CMSDK APB UART, Arm DDI 0479, section 4.3). */
#include "uart.h"

#define UART0 0x40004000u
#define REGISTER(offset) (*(volatile uint32_t *)(UART0 + (offset)))
#define DATA REGISTER(0x00u)
#define STATE REGISTER(0x04u)
#define CONTROL REGISTER(0x08u)
#define DIVIDER REGISTER(0x10u)
#define STATE_SENDING 1u
#define STATE_RECEIVED 2u

const char uart_name[] = "QEMU's mps2-an386, emulated, no real board";
const uint32_t uart_clock_hz = 25000000u;

void uart_init(void)
{
    DIVIDER = uart_clock_hz / 115200u;
    CONTROL = 3u; /* send and receive */
}

uint8_t uart_get(void)
{
    while ((STATE & STATE_RECEIVED) == 0u) {
    }
    return (uint8_t)DATA;
}

void uart_put(uint8_t byte)
{
    while ((STATE & STATE_SENDING) != 0u) {
    }
    DATA = byte;
}
