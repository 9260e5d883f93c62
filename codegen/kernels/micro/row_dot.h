/* Dot products of one input row, as it lies in memory, with the weights of four output channels or one, added to sums[channel].
 *
 * Weights: per group of four cells the four bytes of each channel in turn; the last group is filled up with zeros. The input's zero
 * point is part of the bias. */
#ifndef NN_ROW_DOT_H
#define NN_ROW_DOT_H

#include <stdint.h>

#include "dsp.h"
#include "linkage.h"

#if NN_HAS_DSP

/* One to three cells as a word. */
NN_INLINE uint32_t NN_load_part(const int8_t *x, int32_t cells)
{
    uint32_t word = (uint8_t)x[0];
    if (cells > 1) {
        word |= (uint32_t)(uint8_t)x[1] << 8;
    }
    if (cells > 2) {
        word |= (uint32_t)(uint8_t)x[2] << 16;
    }
    return word;
}

/* sum + four products of bytes. */
NN_INLINE int32_t NN_dot_word(uint32_t x, uint32_t weights, int32_t sum)
{
    return NN_smlad(NN_sxtb16_odd(x), NN_sxtb16_odd(weights), NN_smlad(NN_sxtb16(x), NN_sxtb16(weights), sum));
}

/* Four cells of four channels: x and lr hold the input, p, q, r and r7 the weights. */
#define NN_STEP_ROW(x0, w0, w1, w2, w3)           \
    "ldr %[x], [%[a], #" #x0 "]\n\t"              \
    "ldr %[p], [%[w], #" #w0 "]\n\t"              \
    "ldr %[q], [%[w], #" #w1 "]\n\t"              \
    "ldr %[r], [%[w], #" #w2 "]\n\t"              \
    "ldr r7, [%[w], #" #w3 "]\n\t"                \
    "sxtb16 lr, %[x], ror #8\n\t"                 \
    "sxtb16 %[x], %[x]\n\t"                       \
    "sxtb16 %[e], %[p]\n\t"                       \
    "sxtb16 %[p], %[p], ror #8\n\t"               \
    "smlad %[s0], %[e], %[x], %[s0]\n\t"          \
    "smlad %[s0], %[p], lr, %[s0]\n\t"            \
    "sxtb16 %[e], %[q]\n\t"                       \
    "sxtb16 %[q], %[q], ror #8\n\t"               \
    "smlad %[s1], %[e], %[x], %[s1]\n\t"          \
    "smlad %[s1], %[q], lr, %[s1]\n\t"            \
    "sxtb16 %[e], %[r]\n\t"                       \
    "sxtb16 %[r], %[r], ror #8\n\t"               \
    "smlad %[s2], %[e], %[x], %[s2]\n\t"          \
    "smlad %[s2], %[r], lr, %[s2]\n\t"            \
    "sxtb16 %[e], r7\n\t"                         \
    "sxtb16 r7, r7, ror #8\n\t"                   \
    "smlad %[s3], %[e], %[x], %[s3]\n\t"          \
    "smlad %[s3], r7, lr, %[s3]\n\t"

/* Registers as in dot.h: pinned operands, r7 and lr beside them, the end of x on the stack. */
#define NN_LOOP_ROW(steps, x_bytes, w_bytes)                                                                                    \
    __asm__ volatile("push {r6, r7}\n\t"                                                                                        \
                     "1:\n\t" steps "add %[a], #" #x_bytes "\n\t"                                                               \
                     "add %[w], #" #w_bytes "\n\t"                                                                              \
                     "ldr %[x], [sp]\n\t"                                                                                       \
                     "cmp %[a], %[x]\n\t"                                                                                       \
                     "bne 1b\n\t"                                                                                               \
                     "pop {r6, r7}\n\t"                                                                                         \
                     : [w] "+r"(w), [a] "+r"(a), [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [x] "+r"(end),     \
                       [e] "=&r"(e), [p] "=&r"(p), [q] "=&r"(q), [r] "=&r"(r)                                                   \
                     :                                                                                                          \
                     : "lr", "cc", "memory")

NN_MICRO void NN_row_dot_4(int32_t *sums, const int8_t *x, const int8_t *weights, int32_t depth)
{
    register const int8_t *w __asm__("r0") = weights;
    register const int8_t *a __asm__("r1") = x;
    register int32_t s0 __asm__("r2") = sums[0];
    register int32_t s1 __asm__("r3") = sums[1];
    register int32_t s2 __asm__("r4") = sums[2];
    register int32_t s3 __asm__("r5") = sums[3];
    register uint32_t end __asm__("r6");
    register uint32_t e __asm__("r8");
    register uint32_t p __asm__("r9");
    register uint32_t q __asm__("r10");
    register uint32_t r __asm__("r12");
    const int8_t *const last = x + (depth & ~3);
#if !defined(__OPTIMIZE_SIZE__)
    if (depth >= 16) {
        end = (uint32_t)(uintptr_t)(x + (depth & ~15));
        NN_LOOP_ROW(NN_STEP_ROW(0, 0, 4, 8, 12) NN_STEP_ROW(4, 16, 20, 24, 28) NN_STEP_ROW(8, 32, 36, 40, 44)
                        NN_STEP_ROW(12, 48, 52, 56, 60),
                    16, 64);
    }
#endif
    if (a != last) {
        end = (uint32_t)(uintptr_t)last;
        NN_LOOP_ROW(NN_STEP_ROW(0, 0, 4, 8, 12), 4, 16);
    }
    if ((depth & 3) != 0) {
        const uint32_t part = NN_load_part(a, depth & 3);
        s0 = NN_dot_word(part, NN_load_word(w), s0);
        s1 = NN_dot_word(part, NN_load_word(w + 4), s1);
        s2 = NN_dot_word(part, NN_load_word(w + 8), s2);
        s3 = NN_dot_word(part, NN_load_word(w + 12), s3);
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

NN_SHARED void NN_row_dot_1(int32_t *sums, const int8_t *x, const int8_t *weights, int32_t depth)
{
    int32_t sum = sums[0];
    for (; depth >= 4; depth -= 4) {
        sum = NN_dot_word(NN_load_word(x), NN_load_word(weights), sum);
        x += 4;
        weights += 4;
    }
    if (depth != 0) {
        sum = NN_dot_word(NN_load_part(x, depth), NN_load_word(weights), sum);
    }
    sums[0] = sum;
}

#else

#if NN_FEW_REGISTERS
/* Two of the four channels. */
NN_SHARED void NN_row_dot_2_of_4(int32_t *sums, const int8_t *x, const int8_t *weights, int32_t depth)
{
    int32_t s0 = sums[0], s1 = sums[1];
    for (; depth > 0; depth -= 4) {
        const int32_t cells = depth < 4 ? depth : 4;
        for (int32_t k = 0; k < cells; ++k) {
            const int32_t cell = x[k];
            s0 += cell * weights[k];
            s1 += cell * weights[4 + k];
            NN_IN_ORDER(s0, s1);
        }
        x += 4;
        weights += 16;
    }
    sums[0] = s0;
    sums[1] = s1;
}

NN_MICRO void NN_row_dot_4(int32_t *sums, const int8_t *x, const int8_t *weights, int32_t depth)
{
    NN_row_dot_2_of_4(sums, x, weights, depth);
    NN_row_dot_2_of_4(sums + 2, x, weights + 8, depth);
}
#else
NN_MICRO void NN_row_dot_4(int32_t *sums, const int8_t *x, const int8_t *weights, int32_t depth)
{
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    for (; depth > 0; depth -= 4) {
        const int32_t cells = depth < 4 ? depth : 4;
        for (int32_t k = 0; k < cells; ++k) {
            const int32_t cell = x[k];
            s0 += cell * weights[k];
            s1 += cell * weights[4 + k];
            s2 += cell * weights[8 + k];
            s3 += cell * weights[12 + k];
        }
        x += 4;
        weights += 16;
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}
#endif

NN_SHARED void NN_row_dot_1(int32_t *sums, const int8_t *x, const int8_t *weights, int32_t depth)
{
    int32_t sum = sums[0];
    for (; depth > 0; --depth) {
        sum += *x++ * *weights++;
    }
    sums[0] = sum;
}

#endif

#endif
