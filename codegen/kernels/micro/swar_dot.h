/* Dot products of one patch (swar_patch.h) with the weights of one to four output channels, two channels in one multiplication:
 * for cores that multiply in one cycle but have no instruction for two products.
 *
 * A word of weights holds two channels, v0 + v1 * 2^16, where v is the weight negated: -127 to 127. Of two cells a and b, each -128
 * to 127, the sum word(a) * a + word(b) * b is lower + upper * 2^16 with both parts from -32512 to 32512, so neither leaves its 16
 * bits, nor the whole its 32. (A weight of -128 could make upper -32768, and a negative lower part takes one more.) All upper parts
 * are added, and all sums as a whole, modulo 2^32; together they give the lower parts.
 *
 * Weights: per two cells, for each pair of channels in turn, its two words. `depth` cells, a multiple of four. */
#ifndef NN_SWAR_DOT_H
#define NN_SWAR_DOT_H

#include <stdint.h>

#include "dsp.h"
#include "linkage.h"

/* sums[c] -= what the negated weights gave. */
NN_INLINE void NN_swar_subtract(int32_t *sums, uint32_t total, uint32_t upper, int32_t channels)
{
    sums[0] = (int32_t)((uint32_t)sums[0] - (total - (upper << 16)));
    if (channels > 1) {
        sums[1] = (int32_t)((uint32_t)sums[1] - upper);
    }
}

NN_INLINE void NN_swar_dot_channels(int32_t *sums, const int32_t *patch, const int32_t *weights, int32_t depth, int32_t channels)
{
    const int32_t pairs = (channels + 1) / 2;
    for (int32_t pair = 0; pair < pairs; ++pair) {
        const int32_t *word = weights + 2 * pair;
        uint32_t total = 0, upper = 0;
        NN_REPEATED for (int32_t k = 0; k < depth; k += 2) {
            const uint32_t sum = (uint32_t)word[0] * (uint32_t)patch[k] + (uint32_t)word[1] * (uint32_t)patch[k + 1];
            total += sum;
            upper += (uint32_t)((int32_t)(sum + 0x8000U) >> 16);
            word += 2 * pairs;
        }
        NN_swar_subtract(sums + 2 * pair, total, upper, channels - 2 * pair);
    }
}

#if NN_FEW_REGISTERS

/* Two cells of two channels. The shift leaves the sign of the lower part in the carry, which corrects the upper one. */
#define NN_SWAR_PAIR(total, upper)  \
    "ldmia r1!, {r6, r7}\n\t"       \
    "muls r6, r4, r6\n\t"           \
    "muls r7, r5, r7\n\t"           \
    "adds r6, r6, r7\n\t"           \
    "add " total ", r6\n\t"         \
    "asrs r6, r6, #16\n\t"          \
    "adcs " upper ", r6\n\t"

#define NN_SWAR_STEP "ldmia r0!, {r4, r5}\n\t" NN_SWAR_PAIR("r8", "r2") NN_SWAR_PAIR("r9", "r3")

/* r7 may be a compiler's frame pointer, so it is no operand; high registers keep it, the end of the patch and the totals. */
#define NN_SWAR_LOOP(steps)                                                                                                     \
    __asm__ volatile(".syntax unified\n\t"                                                                                      \
                     "mov r12, r7\n\t"                                                                                          \
                     "mov r10, r4\n\t"                                                                                          \
                     "movs r2, #0\n\t"                                                                                          \
                     "movs r3, #0\n\t"                                                                                          \
                     "mov r8, r2\n\t"                                                                                           \
                     "mov r9, r2\n\t"                                                                                           \
                     "1:\n\t" steps "cmp r0, r10\n\t"                                                                           \
                     "bne 1b\n\t"                                                                                               \
                     "mov r4, r8\n\t"                                                                                           \
                     "mov r5, r9\n\t"                                                                                           \
                     "mov r7, r12\n\t"                                                                                          \
                     : "+r"(x), "+r"(w), "=&r"(upper0), "=&r"(upper1), "+r"(total0), "=&r"(total1), "=&r"(word)                 \
                     :                                                                                                          \
                     : "r8", "r9", "r10", "r12", "cc", "memory")

NN_MICRO void NN_swar_dot_4(int32_t *sums, const int32_t *patch, const int32_t *weights, int32_t depth)
{
    register const int32_t *x __asm__("r0") = patch;
    register const int32_t *w __asm__("r1") = weights;
    register uint32_t upper0 __asm__("r2");
    register uint32_t upper1 __asm__("r3");
    register uint32_t total0 __asm__("r4") = (uint32_t)(uintptr_t)(patch + depth);
    register uint32_t total1 __asm__("r5");
    register uint32_t word __asm__("r6");
#if !defined(__OPTIMIZE_SIZE__)
    if ((depth & 15) == 0) {
        NN_SWAR_LOOP(NN_SWAR_STEP NN_SWAR_STEP NN_SWAR_STEP NN_SWAR_STEP NN_SWAR_STEP NN_SWAR_STEP NN_SWAR_STEP NN_SWAR_STEP);
    } else if ((depth & 7) == 0) {
        NN_SWAR_LOOP(NN_SWAR_STEP NN_SWAR_STEP NN_SWAR_STEP NN_SWAR_STEP);
    } else
#endif
    {
        NN_SWAR_LOOP(NN_SWAR_STEP NN_SWAR_STEP);
    }
    (void)word;
    NN_swar_subtract(sums, total0, upper0, 2);
    NN_swar_subtract(sums + 2, total1, upper1, 2);
}

#elif defined(__thumb2__)

/* The same with loads next to each other, which overlap, and a multiplication that adds. */
#define NN_SWAR_PAIR(a, b, total, upper)        \
    "mul " a ", " a ", r8\n\t"                  \
    "mla " a ", " b ", r9, " a "\n\t"           \
    "add " total ", " total ", " a "\n\t"       \
    "asrs " a ", " a ", #16\n\t"                \
    "adc " upper ", " upper ", " a "\n\t"

#define NN_SWAR_STEP(x0, x1, w0, w1, w2, w3)    \
    "ldr r8, [r0, #" #x0 "]\n\t"                \
    "ldr r9, [r0, #" #x1 "]\n\t"                \
    "ldr r6, [r1, #" #w0 "]\n\t"                \
    "ldr r10, [r1, #" #w1 "]\n\t"               \
    "ldr r11, [r1, #" #w2 "]\n\t"               \
    "ldr r12, [r1, #" #w3 "]\n\t"               \
    NN_SWAR_PAIR("r6", "r10", "r4", "r2")       \
    NN_SWAR_PAIR("r11", "r12", "r5", "r3")

#define NN_SWAR_LOOP(steps, x_bytes, w_bytes)                                                                                   \
    __asm__ volatile("mov lr, r4\n\t"                                                                                           \
                     "movs r2, #0\n\t"                                                                                          \
                     "movs r3, #0\n\t"                                                                                          \
                     "movs r4, #0\n\t"                                                                                          \
                     "movs r5, #0\n\t"                                                                                          \
                     "1:\n\t" steps "adds r0, #" #x_bytes "\n\t"                                                                \
                     "adds r1, #" #w_bytes "\n\t"                                                                               \
                     "cmp r0, lr\n\t"                                                                                           \
                     "bne 1b\n\t"                                                                                               \
                     : "+r"(x), "+r"(w), "=&r"(upper0), "=&r"(upper1), "+r"(total0), "=&r"(total1), "=&r"(word)                 \
                     :                                                                                                          \
                     : "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory")

NN_MICRO void NN_swar_dot_4(int32_t *sums, const int32_t *patch, const int32_t *weights, int32_t depth)
{
    register const int32_t *x __asm__("r0") = patch;
    register const int32_t *w __asm__("r1") = weights;
    register uint32_t upper0 __asm__("r2");
    register uint32_t upper1 __asm__("r3");
    register uint32_t total0 __asm__("r4") = (uint32_t)(uintptr_t)(patch + depth);
    register uint32_t total1 __asm__("r5");
    register uint32_t word __asm__("r6");
#if !defined(__OPTIMIZE_SIZE__)
    if ((depth & 7) == 0) {
        NN_SWAR_LOOP(NN_SWAR_STEP(0, 4, 0, 4, 8, 12) NN_SWAR_STEP(8, 12, 16, 20, 24, 28) NN_SWAR_STEP(16, 20, 32, 36, 40, 44)
                         NN_SWAR_STEP(24, 28, 48, 52, 56, 60),
                     32, 64);
    } else
#endif
    {
        NN_SWAR_LOOP(NN_SWAR_STEP(0, 4, 0, 4, 8, 12) NN_SWAR_STEP(8, 12, 16, 20, 24, 28), 16, 32);
    }
    (void)word;
    NN_swar_subtract(sums, total0, upper0, 2);
    NN_swar_subtract(sums + 2, total1, upper1, 2);
}

#else

NN_MICRO void NN_swar_dot_4(int32_t *sums, const int32_t *patch, const int32_t *weights, int32_t depth)
{
    NN_swar_dot_channels(sums, patch, weights, depth, 4);
}

#endif

NN_SHARED void NN_swar_dot_3(int32_t *sums, const int32_t *patch, const int32_t *weights, int32_t depth)
{
    NN_swar_dot_channels(sums, patch, weights, depth, 3);
}

NN_SHARED void NN_swar_dot_2(int32_t *sums, const int32_t *patch, const int32_t *weights, int32_t depth)
{
    NN_swar_dot_channels(sums, patch, weights, depth, 2);
}

NN_SHARED void NN_swar_dot_1(int32_t *sums, const int32_t *patch, const int32_t *weights, int32_t depth)
{
    NN_swar_dot_channels(sums, patch, weights, depth, 1);
}

#endif
