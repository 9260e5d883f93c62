/* SPDX-License-Identifier: Apache-2.0 */
/* USART2 of NUCLEO-F446RE on the ST-LINK's virtual COM port: PA2 and PA3, alternate function 7, 115200 baud (UM1724, RM0390).
 * NOT tried on a board: written from the manuals. */
#include "uart.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define RCC_AHB1ENR REGISTER(0x40023830u)
#define RCC_APB1ENR REGISTER(0x40023840u)
#define GPIOA_MODER REGISTER(0x40020000u)
#define GPIOA_AFRL REGISTER(0x40020020u)
#define USART2_SR REGISTER(0x40004400u)
#define USART2_DR REGISTER(0x40004404u)
#define USART2_BRR REGISTER(0x40004408u)
#define USART2_CR1 REGISTER(0x4000440Cu)

const char uart_name[] = "USART2 of NUCLEO-F446RE, 16 MHz after reset";
const uint32_t uart_clock_hz = 16000000u; /* HSI, as after reset: no flash wait states */

void uart_init(void)
{
    RCC_AHB1ENR |= 1u; /* GPIOA */
    RCC_APB1ENR |= 1u << 17; /* USART2 */
    (void)RCC_APB1ENR;
    GPIOA_MODER = (GPIOA_MODER & ~(0xFu << 4)) | (0xAu << 4); /* PA2 and PA3: alternate function */
    GPIOA_AFRL = (GPIOA_AFRL & ~(0xFFu << 8)) | (0x77u << 8);
    USART2_BRR = (uart_clock_hz + 57600u) / 115200u;
    USART2_CR1 = 1u << 13 | 1u << 2 | 1u << 3; /* UE, RE, TE */
}

uint8_t uart_get(void)
{
    while ((USART2_SR & 1u << 5) == 0u) {
    }
    return (uint8_t)USART2_DR;
}

void uart_put(uint8_t byte)
{
    while ((USART2_SR & 1u << 7) == 0u) {
    }
    USART2_DR = byte;
}
