/* SPDX-License-Identifier: Apache-2.0 */
/* What the harness needs of a board: a serial line. Write these five for a board of your own. */
#ifndef UART_H
#define UART_H

#include <stdint.h>

/* Printable ASCII, up to 80 characters: what these functions drive, and on what board it was tried. It goes into the card. */
extern const char uart_name[];

/* Clock of the core in Hz, as uart_init leaves it; the host derives how long to wait from it. */
extern const uint32_t uart_clock_hz;

/* Called once, before anything else: clocks, pins and the UART (8 bits, no parity, 1 stop bit). */
void uart_init(void);

/* Waits for a byte and returns it. */
uint8_t uart_get(void);

/* Waits until a byte can be sent and sends it. */
void uart_put(uint8_t byte);

#endif /* UART_H */
