/* SPDX-License-Identifier: Apache-2.0 */
/* LPUART1 of NUCLEO-L4R5ZI on the ST-LINK's virtual COM port: PG7 and PG8, alternate function 8, 115200 baud (UM2179, RM0432).
 * NOT tried on a board: written from the manuals. */
#include "uart.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define RCC_AHB2ENR REGISTER(0x4002104Cu)
#define RCC_APB1ENR1 REGISTER(0x40021058u)
#define RCC_APB1ENR2 REGISTER(0x4002105Cu)
#define RCC_CCIPR REGISTER(0x40021088u)
#define PWR_CR2 REGISTER(0x40007004u)
#define GPIOG_MODER REGISTER(0x48001800u)
#define GPIOG_AFRL REGISTER(0x48001820u)
#define GPIOG_AFRH REGISTER(0x48001824u)
#define LPUART1_CR1 REGISTER(0x40008000u)
#define LPUART1_BRR REGISTER(0x4000800Cu)
#define LPUART1_ISR REGISTER(0x4000801Cu)
#define LPUART1_ICR REGISTER(0x40008020u)
#define LPUART1_RDR REGISTER(0x40008024u)
#define LPUART1_TDR REGISTER(0x40008028u)

const char uart_name[] = "LPUART1 of NUCLEO-L4R5ZI, 4 MHz after reset";
const uint32_t uart_clock_hz = 4000000u; /* MSI, as after reset: no flash wait states */

void uart_init(void)
{
    RCC_APB1ENR1 |= 1u << 28; /* PWR */
    (void)RCC_APB1ENR1;
    PWR_CR2 |= 1u << 9; /* IOSV: VddIO2, which feeds PG2 to PG15, is there */
    RCC_AHB2ENR |= 1u << 6; /* GPIOG */
    RCC_APB1ENR2 |= 1u; /* LPUART1 */
    (void)RCC_APB1ENR2;
    RCC_CCIPR &= ~(3u << 10); /* clocked by PCLK1 */
    GPIOG_MODER = (GPIOG_MODER & ~(0xFu << 14)) | (0xAu << 14); /* PG7 and PG8: alternate function */
    GPIOG_AFRL = (GPIOG_AFRL & ~(0xFu << 28)) | (8u << 28);
    GPIOG_AFRH = (GPIOG_AFRH & ~0xFu) | 8u;
    LPUART1_BRR = (256u * (uart_clock_hz / 100u) + 576u) / 1152u;
    LPUART1_CR1 = 1u | 1u << 2 | 1u << 3; /* UE, RE, TE */
}

uint8_t uart_get(void)
{
    while ((LPUART1_ISR & 1u << 5) == 0u) {
        LPUART1_ICR = 1u << 3; /* an overrun stops reception until it is cleared; the line's checksum finds it */
    }
    return (uint8_t)LPUART1_RDR;
}

void uart_put(uint8_t byte)
{
    while ((LPUART1_ISR & 1u << 7) == 0u) {
    }
    LPUART1_TDR = byte;
}
