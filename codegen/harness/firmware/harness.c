/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The measuring harness: takes programs over a serial line into RAM, runs them and says how many cycles they took.
 *
 * Lines of text, each ended by a newline, each with its checksum: `TEXT *CRC`, the CRC-32 of TEXT as eight hexadecimal digits. The host
 * sends `NUMBER VERB ARGUMENTS`, the answer is `NUMBER ok ...` or `NUMBER error ...`. All numbers are hexadecimal without a prefix.
 *
 *     hello                    who answers: see hello() below
 *     load ADDRESS BYTES       write the bytes, two digits each
 *     fill ADDRESS COUNT SEED  write pseudo-random bytes
 *     sum ADDRESS COUNT        CRC-32 of memory
 *     dump ADDRESS COUNT       bytes of memory
 *     run ENTRY ARGUMENT       call a function: what it returned, and the cycles between call and return
 *
 * Answers with the number 0 were not asked for: `0 ready` after a reset, `0 error garbled` for a line whose checksum is wrong and
 * `0 error fault PC`, after which the board resets itself.
 */
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "cycle_counter.h"
#include "uart.h"

#define HARNESS_VERSION 1u
#define LINE_BYTES 2048u

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define SCB_AIRCR REGISTER(0xE000ED0Cu)
#define SCB_CCR REGISTER(0xE000ED14u)
#define SCB_ICIALLU REGISTER(0xE000EF50u)
#define SCB_DCCMVAU REGISTER(0xE000EF64u)

extern uint32_t linker_bss_end;
extern uint32_t linker_stack_top;

void fault_handler(void);
void systick_handler(void);
void report_fault(const uint32_t *frame);
int main(void);

static char line[LINE_BYTES];
static volatile uint32_t wraps;
static uint32_t (*now)(void);

/* The counters. Cycles are those of the core: the debug unit's counter where there is one, SysTick elsewhere. */

void systick_handler(void)
{
    ++wraps;
}

static uint32_t read_systick(void)
{
    uint32_t high;
    uint32_t low;

    do {
        high = wraps;
        low = cycle_counter_read_systick();
        cycle_counter_barrier(); /* a wrap whose interrupt is pending counts now */
    } while (high != wraps);
    return (high << 24) + low;
}

static void start_counter(void)
{
    if (cycle_counter_start_dwt()) {
        now = cycle_counter_read_dwt;
    } else {
        cycle_counter_start_systick(1);
        now = read_systick;
    }
}

/* CRC-32 as in Ethernet and zlib, four bits at a time. */

static uint32_t crc_step(uint32_t crc, uint8_t byte)
{
    static const uint32_t table[16] = {
        0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
        0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
    };

    crc = (crc >> 4) ^ table[(crc ^ byte) & 15u];
    return (crc >> 4) ^ table[(crc ^ (uint32_t)(byte >> 4)) & 15u];
}

/* Answers. */

static uint32_t answer_crc;

static void put(char c)
{
    answer_crc = crc_step(answer_crc, (uint8_t)c);
    uart_put((uint8_t)c);
}

static void put_text(const char *text)
{
    while (*text != '\0') {
        put(*text++);
    }
}

static void put_digits(uint32_t value, unsigned digits)
{
    while (digits-- != 0u) {
        put("0123456789abcdef"[(value >> (4u * digits)) & 15u]);
    }
}

static void put_number(uint32_t value)
{
    put(' ');
    put_digits(value, 8);
}

static void begin(uint32_t number)
{
    answer_crc = 0xFFFFFFFFu;
    put_digits(number, 8);
}

static void end(void)
{
    const uint32_t crc = ~answer_crc;

    put_text(" *");
    put_digits(crc, 8);
    uart_put('\n');
}

static void say(uint32_t number, const char *text)
{
    begin(number);
    put_text(text);
    end();
}

/* Questions. */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads a number of up to eight digits and the space behind it; 0 where there is none. */
static int take_number(const char **text, uint32_t *value)
{
    unsigned digits = 0;

    *value = 0;
    while (digit_of(**text) >= 0 && digits < 9u) {
        *value = (*value << 4) | (uint32_t)digit_of(*(*text)++);
        ++digits;
    }
    if (digits == 0u || digits > 8u || (**text != ' ' && **text != '\0')) {
        return 0;
    }
    *text += **text == ' ';
    return 1;
}

/* Whether the text begins with the verb; if so it is passed over. */
static int take_verb(const char **text, const char *verb)
{
    const char *rest = *text;

    while (*verb != '\0') {
        if (*rest++ != *verb++) {
            return 0;
        }
    }
    if (*rest != ' ' && *rest != '\0') {
        return 0;
    }
    *text = rest + (*rest == ' ');
    return 1;
}

/* Waits for a line and takes its checksum off; 0 where the checksum is wrong or the line too long. */
static int take_line(void)
{
    size_t length = 0;
    size_t at;
    uint32_t crc = 0xFFFFFFFFu;
    uint32_t sent;
    const char *rest;
    char c;

    while ((c = (char)uart_get()) != '\n') {
        if (length < LINE_BYTES - 1u) {
            line[length] = c;
        }
        ++length;
    }
    if (length < 10u || length > LINE_BYTES - 1u) {
        return 0;
    }
    line[length] = '\0';
    for (at = 0; at < length - 10u; ++at) {
        crc = crc_step(crc, (uint8_t)line[at]);
    }
    if (line[at] != ' ' || line[at + 1u] != '*') {
        return 0;
    }
    line[at] = '\0';
    rest = &line[at + 2u];
    return take_number(&rest, &sent) && *rest == '\0' && sent == ~crc;
}

/* The RAM that programs and their arena may have: all between the harness's own variables and its stack. */

static uint32_t window_start(void)
{
    return ((uint32_t)(uintptr_t)&linker_bss_end + 31u) & ~31u;
}

static uint32_t window_end(void)
{
    return (uint32_t)(uintptr_t)&linker_stack_top - HARNESS_STACK_BYTES;
}

static int inside(uint32_t address, uint32_t count)
{
    return address >= window_start() && address <= window_end() && count <= window_end() - address;
}

static void hello(uint32_t number)
{
    begin(number);
    put_text(" ok harness");
    put_number(HARNESS_VERSION);
    put_text(" core " HARNESS_CORE " board " HARNESS_BOARD);
    put_text(now == read_systick ? " counter systick clock" : " counter dwt clock");
    put_number(uart_clock_hz);
    put_text(" ram");
    put_number(window_start());
    put_number(window_end() - window_start());
    put_text(" stack");
    put_number(HARNESS_STACK_BYTES);
    put_text(" now");
    put_number((uint32_t)(uintptr_t)now);
    put_text(" caches"); /* of instructions and data, on a core that has them */
    put_number((SCB_CCR >> 16) & 3u);
    put_text(" uart ");
    put_text(uart_name);
    end();
}

static void load(uint32_t number, uint32_t address, const char *text)
{
    size_t count = 0;
    size_t at;

    while (digit_of(text[2u * count]) >= 0 && digit_of(text[2u * count + 1u]) >= 0) {
        ++count;
    }
    if (text[2u * count] != '\0' || count == 0u) {
        say(number, " error number");
        return;
    }
    if (!inside(address, (uint32_t)count)) {
        say(number, " error range");
        return;
    }
    for (at = 0; at < count; ++at) {
        ((volatile uint8_t *)(uintptr_t)address)[at] = (uint8_t)(digit_of(text[2u * at]) << 4 | digit_of(text[2u * at + 1u]));
    }
#if HARNESS_CACHES
    cycle_counter_barrier();
    for (at = 0; at < count + 32u; at += 32u) {
        SCB_DCCMVAU = address + (uint32_t)at; /* so that it can be fetched as code */
    }
    SCB_ICIALLU = 0u;
#endif
    cycle_counter_barrier();
    say(number, " ok");
}

static void fill(uint32_t number, uint32_t address, uint32_t count, uint32_t state)
{
    volatile uint8_t *to = (volatile uint8_t *)(uintptr_t)address;

    while (count-- != 0u) {
        state = state * 1664525u + 1013904223u;
        *to++ = (uint8_t)(state >> 24);
    }
    say(number, " ok");
}

static void sum(uint32_t number, uint32_t address, uint32_t count)
{
    const volatile uint8_t *from = (const volatile uint8_t *)(uintptr_t)address;
    uint32_t crc = 0xFFFFFFFFu;

    while (count-- != 0u) {
        crc = crc_step(crc, *from++);
    }
    begin(number);
    put_text(" ok");
    put_number(~crc);
    end();
}

static void dump(uint32_t number, uint32_t address, uint32_t count)
{
    const volatile uint8_t *from = (const volatile uint8_t *)(uintptr_t)address;

    begin(number);
    put_text(" ok ");
    while (count-- != 0u) {
        put_digits(*from++, 2);
    }
    end();
}

static void run(uint32_t number, uint32_t entry, uint32_t argument)
{
    uint32_t (*function)(uint32_t) = (uint32_t(*)(uint32_t))(uintptr_t)(entry | 1u);
    uint32_t start;
    uint32_t cycles;
    uint32_t result;

    cycle_counter_barrier();
    start = now();
    result = function(argument);
    cycles = now() - start;
    begin(number);
    put_text(" ok");
    put_number(result);
    put_number(cycles);
    end();
}

static void answer(void)
{
    const char *text = line;
    uint32_t number;
    uint32_t a;
    uint32_t b;
    uint32_t seed;

    if (!take_number(&text, &number)) {
        say(0, " error garbled");
    } else if (take_verb(&text, "hello")) {
        hello(number);
    } else if (take_verb(&text, "load") && take_number(&text, &a)) {
        load(number, a, text);
    } else if (take_verb(&text, "fill") && take_number(&text, &a) && take_number(&text, &b) && take_number(&text, &seed)) {
        inside(a, b) ? fill(number, a, b, seed) : say(number, " error range");
    } else if (take_verb(&text, "sum") && take_number(&text, &a) && take_number(&text, &b)) {
        inside(a, b) ? sum(number, a, b) : say(number, " error range");
    } else if (take_verb(&text, "dump") && take_number(&text, &a) && take_number(&text, &b)) {
        inside(a, b) ? dump(number, a, b) : say(number, " error range");
    } else if (take_verb(&text, "run") && take_number(&text, &a) && take_number(&text, &b)) {
        inside(a, 2) ? run(number, a, b) : say(number, " error range");
    } else {
        say(number, " error verb");
    }
}

void report_fault(const uint32_t *frame)
{
    begin(0);
    put_text(" error fault");
    put_number(frame[6]); /* the program counter, Armv7-M Architecture Reference Manual B1.5.6 */
    end();
    cycle_counter_barrier();
    SCB_AIRCR = 0x05FA0004u;
    for (;;) {
    }
}

__attribute__((naked)) void fault_handler(void)
{
    __asm__ volatile("mrs r0, msp\n ldr r1, =report_fault\n bx r1\n .ltorg");
}

int main(void)
{
    uart_init();
    start_counter();
    say(0, " ready");
    for (;;) {
        if (take_line()) {
            answer();
        } else {
            say(0, " error garbled");
        }
    }
}
