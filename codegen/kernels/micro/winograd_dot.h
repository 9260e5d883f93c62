/* Winograd's inner product of gathered cells with the weights of one to four output channels: sums[channel] += all
 * (x[a] + w[b]) * (x[b] + w[a]) over pairs of cells a, b. That is all x[a] * w[a] + x[b] * w[b], which is wanted, and products within
 * x and within w, which the caller takes off once. Half the multiplications, and operands that survive: for cores that can neither
 * add a product nor keep its factors.
 *
 * Weights: 128 more than they are, as unsigned bytes; per pair of cells the two of each channel in turn. `depth` is even. */
#ifndef NN_WINOGRAD_DOT_H
#define NN_WINOGRAD_DOT_H

#include <stdint.h>

#include "dsp.h"
#include "linkage.h"

/* What the input adds to all channels, with every cell raised by 128; the bias takes off what that is too much. */
NN_SHARED void NN_winograd_surplus(int32_t *surplus, const int8_t *x, int32_t depth)
{
    uint32_t sum = 0;
    NN_ROLLED for (; depth >= 8; depth -= 8) {
        sum += (uint32_t)((x[0] + 128) * (x[1] + 128));
        sum += (uint32_t)((x[2] + 128) * (x[3] + 128));
        sum += (uint32_t)((x[4] + 128) * (x[5] + 128));
        sum += (uint32_t)((x[6] + 128) * (x[7] + 128));
        x += 8;
    }
    NN_ROLLED for (; depth > 0; depth -= 2) {
        sum += (uint32_t)((x[0] + 128) * (x[1] + 128));
        x += 2;
    }
    *surplus = (int32_t)sum;
}

NN_INLINE void NN_winograd_dot_channels(int32_t *sums, const int8_t *x, const uint8_t *weights, int32_t depth, int32_t channels)
{
    for (int32_t c = 0; c < channels; ++c) {
        const uint8_t *w = weights + 2 * c;
        uint32_t sum = (uint32_t)sums[c];
        NN_REPEATED for (int32_t k = 0; k < depth; k += 2) {
            sum += (uint32_t)((x[k] + w[1]) * (x[k + 1] + w[0]));
            w += 2 * channels;
        }
        sums[c] = (int32_t)sum;
    }
}

#if NN_FEW_REGISTERS

#define NN_WINOGRAD_CHANNEL(w_a, w_b, sum)   \
    "ldrb %[p], [%[w], #" #w_a "]\n\t"       \
    "ldrb %[q], [%[w], #" #w_b "]\n\t"       \
    "adds %[p], %[p], %[b]\n\t"              \
    "adds %[q], %[q], %[a]\n\t"              \
    "muls %[p], %[q], %[p]\n\t"              \
    "add " sum ", %[p]\n\t"

#define NN_WINOGRAD_PAIR(x_a, x_b, w0, w1, w2, w3, w4, w5, w6, w7)                                                              \
    "movs %[a], #" #x_a "\n\t"                                                                                                  \
    "ldrsb %[a], [%[x], %[a]]\n\t"                                                                                              \
    "movs %[b], #" #x_b "\n\t"                                                                                                  \
    "ldrsb %[b], [%[x], %[b]]\n\t"                                                                                              \
    NN_WINOGRAD_CHANNEL(w0, w1, "r8") NN_WINOGRAD_CHANNEL(w2, w3, "r9")                                                         \
    NN_WINOGRAD_CHANNEL(w4, w5, "r10") NN_WINOGRAD_CHANNEL(w6, w7, "r11")

#define NN_WINOGRAD_LOOP(pairs, x_bytes, w_bytes)                                                                               \
    __asm__ volatile(".syntax unified\n\t"                                                                                      \
                     "mov r12, %[a]\n\t"                                                                                        \
                     "ldmia %[p]!, {%[a], %[b]}\n\t"                                                                            \
                     "mov r8, %[a]\n\t"                                                                                         \
                     "mov r9, %[b]\n\t"                                                                                         \
                     "ldmia %[p]!, {%[a], %[b]}\n\t"                                                                            \
                     "mov r10, %[a]\n\t"                                                                                        \
                     "mov r11, %[b]\n\t"                                                                                        \
                     "1:\n\t" pairs "adds %[x], #" #x_bytes "\n\t"                                                              \
                     "adds %[w], #" #w_bytes "\n\t"                                                                             \
                     "cmp %[x], r12\n\t"                                                                                        \
                     "bne 1b\n\t"                                                                                               \
                     "mov %[a], r8\n\t"                                                                                         \
                     "mov %[b], r9\n\t"                                                                                         \
                     "mov %[p], r10\n\t"                                                                                        \
                     "mov %[q], r11\n\t"                                                                                        \
                     : [x] "+r"(x), [w] "+r"(weights), [a] "+r"(a), [b] "=&r"(b), [p] "+r"(p), [q] "=&r"(q)                     \
                     :                                                                                                          \
                     : "r8", "r9", "r10", "r11", "r12", "cc", "memory")

NN_SHARED void NN_winograd_dot_4(int32_t *sums, const int8_t *x, const uint8_t *weights, int32_t depth)
{
    /* In ascending order, as LDM lists them; low registers. */
    register uint32_t a __asm__("r2") = (uint32_t)(uintptr_t)(x + depth);
    register uint32_t b __asm__("r3");
    register uint32_t p __asm__("r4") = (uint32_t)(uintptr_t)sums;
    register uint32_t q __asm__("r5");
#if !defined(__OPTIMIZE_SIZE__)
    if ((depth & 7) == 0) {
        NN_WINOGRAD_LOOP(NN_WINOGRAD_PAIR(0, 1, 0, 1, 2, 3, 4, 5, 6, 7) NN_WINOGRAD_PAIR(2, 3, 8, 9, 10, 11, 12, 13, 14, 15)
                             NN_WINOGRAD_PAIR(4, 5, 16, 17, 18, 19, 20, 21, 22, 23)
                                 NN_WINOGRAD_PAIR(6, 7, 24, 25, 26, 27, 28, 29, 30, 31),
                         8, 32);
    } else
#endif
    {
        NN_WINOGRAD_LOOP(NN_WINOGRAD_PAIR(0, 1, 0, 1, 2, 3, 4, 5, 6, 7), 2, 8);
    }
    sums[0] = (int32_t)a;
    sums[1] = (int32_t)b;
    sums[2] = (int32_t)p;
    sums[3] = (int32_t)q;
}

#elif defined(__thumb2__)

/* The cells are in r6 and r8. Loads next to each other overlap. */
#define NN_WINOGRAD_CHANNELS(w0, w1, w2, w3, first, second)     \
    "ldrb r9, [r1, #" #w0 "]\n\t"                               \
    "ldrb r10, [r1, #" #w1 "]\n\t"                              \
    "ldrb r11, [r1, #" #w2 "]\n\t"                              \
    "ldrb r12, [r1, #" #w3 "]\n\t"                              \
    "add r9, r9, r8\n\t"                                        \
    "add r10, r10, r6\n\t"                                      \
    "mla " first ", r9, r10, " first "\n\t"                     \
    "add r11, r11, r8\n\t"                                      \
    "add r12, r12, r6\n\t"                                      \
    "mla " second ", r11, r12, " second "\n\t"

#define NN_WINOGRAD_PAIR(x_a, x_b, w0, w1, w2, w3, w4, w5, w6, w7)                                                              \
    "ldrsb r6, [r0, #" #x_a "]\n\t"                                                                                             \
    "ldrsb r8, [r0, #" #x_b "]\n\t"                                                                                             \
    NN_WINOGRAD_CHANNELS(w0, w1, w2, w3, "r2", "r3") NN_WINOGRAD_CHANNELS(w4, w5, w6, w7, "r4", "r5")

#define NN_WINOGRAD_LOOP(pairs, x_bytes, w_bytes)                                                                               \
    __asm__ volatile("mov lr, r6\n\t"                                                                                           \
                     "1:\n\t" pairs "adds r0, #" #x_bytes "\n\t"                                                                \
                     "adds r1, #" #w_bytes "\n\t"                                                                               \
                     "cmp r0, lr\n\t"                                                                                           \
                     "bne 1b\n\t"                                                                                               \
                     : "+r"(from), "+r"(w), "+r"(s0), "+r"(s1), "+r"(s2), "+r"(s3), "+r"(end)                                   \
                     :                                                                                                          \
                     : "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory")

NN_SHARED void NN_winograd_dot_4(int32_t *sums, const int8_t *x, const uint8_t *weights, int32_t depth)
{
    register const int8_t *from __asm__("r0") = x;
    register const uint8_t *w __asm__("r1") = weights;
    register int32_t s0 __asm__("r2") = sums[0];
    register int32_t s1 __asm__("r3") = sums[1];
    register int32_t s2 __asm__("r4") = sums[2];
    register int32_t s3 __asm__("r5") = sums[3];
    register const int8_t *end __asm__("r6") = x + depth;
#if !defined(__OPTIMIZE_SIZE__)
    if ((depth & 7) == 0) {
        NN_WINOGRAD_LOOP(NN_WINOGRAD_PAIR(0, 1, 0, 1, 2, 3, 4, 5, 6, 7) NN_WINOGRAD_PAIR(2, 3, 8, 9, 10, 11, 12, 13, 14, 15)
                             NN_WINOGRAD_PAIR(4, 5, 16, 17, 18, 19, 20, 21, 22, 23)
                                 NN_WINOGRAD_PAIR(6, 7, 24, 25, 26, 27, 28, 29, 30, 31),
                         8, 32);
    } else
#endif
    {
        NN_WINOGRAD_LOOP(NN_WINOGRAD_PAIR(0, 1, 0, 1, 2, 3, 4, 5, 6, 7), 2, 8);
    }
    (void)end;
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

#else

NN_SHARED void NN_winograd_dot_4(int32_t *sums, const int8_t *x, const uint8_t *weights, int32_t depth)
{
    NN_winograd_dot_channels(sums, x, weights, depth, 4);
}

#endif

NN_SHARED void NN_winograd_dot_3(int32_t *sums, const int8_t *x, const uint8_t *weights, int32_t depth)
{
    NN_winograd_dot_channels(sums, x, weights, depth, 3);
}

NN_SHARED void NN_winograd_dot_2(int32_t *sums, const int8_t *x, const uint8_t *weights, int32_t depth)
{
    NN_winograd_dot_channels(sums, x, weights, depth, 2);
}

NN_SHARED void NN_winograd_dot_1(int32_t *sums, const int8_t *x, const uint8_t *weights, int32_t depth)
{
    NN_winograd_dot_channels(sums, x, weights, depth, 1);
}

#endif
