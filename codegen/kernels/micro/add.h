/* Sums of one to four elements of two operands, brought to the output's scale. */
#ifndef NN_ADD_H
#define NN_ADD_H

#include "elementwise.h"

/* x * factor >> 8 for a byte and any factor. */
NN_INLINE int32_t NN_add_term(int32_t x, int32_t factor)
{
    return x * (factor >> 8) + (x * (factor & 0xFF) >> 8);
}

#if NN_HAS_DSP
/* Four sums of both terms and `base`. A byte in the upper half of a halfword is multiplied by 2^8, which leaves 8 bits of 16. */
NN_INLINE void NN_add_terms(int32_t *sums, uint32_t first, uint32_t second, int32_t a, int32_t b, int32_t base)
{
    const uint32_t mask = UINT32_C(0xFF00FF00);
    const uint32_t even1 = first << 8 & mask, odd1 = first & mask, even2 = second << 8 & mask, odd2 = second & mask;
    sums[0] = NN_smlawb(b, even2, NN_smlawb(a, even1, base));
    sums[1] = NN_smlawb(b, odd2, NN_smlawb(a, odd1, base));
    sums[2] = NN_smlawt(b, even2, NN_smlawt(a, even1, base));
    sums[3] = NN_smlawt(b, odd2, NN_smlawt(a, odd1, base));
}
#endif

/* The sums of one group, before they are shifted. */
NN_INLINE void NN_add_group(int32_t *sums, const int8_t *first, int32_t first_step, const int8_t *second, int32_t second_step,
                            int32_t count, int32_t a, int32_t b, int32_t base)
{
#if NN_HAS_DSP
    if (count == 4) {
        NN_add_terms(sums, NN_load_elements(first, first_step), NN_load_elements(second, second_step), a, b, base);
        return;
    }
#endif
    NN_REPEATED for (int32_t i = 0; i < count; i++)
        sums[i] = base + NN_add_term(first[i * first_step], a) + NN_add_term(second[i * second_step], b);
}

NN_INLINE void NN_add(int8_t *y, const int8_t *first, int32_t first_step, const int8_t *second, int32_t second_step, int32_t count,
                      int32_t a, int32_t b, int32_t base, int32_t shift, int32_t low, int32_t high)
{
    int32_t sums[4];
    NN_add_group(sums, first, first_step, second, second_step, count, a, b, base);
    NN_REPEATED for (int32_t i = 0; i < count; i++)
        y[i] = (int8_t)NN_clamp(sums[i] >> shift, low, high);
}

/* The same, ties away from zero: `centre` makes the sum 0 where the real one is, `addend` holds the half and the zero point. */
NN_INLINE void NN_add_symmetric(int8_t *y, const int8_t *first, int32_t first_step, const int8_t *second, int32_t second_step,
                                int32_t count, int32_t a, int32_t b, int32_t centre, int32_t addend, int32_t shift, int32_t low,
                                int32_t high)
{
    int32_t sums[4];
    NN_add_group(sums, first, first_step, second, second_step, count, a, b, centre);
    NN_REPEATED for (int32_t i = 0; i < count; i++)
        y[i] = (int8_t)NN_clamp((sums[i] + (sums[i] >> 31) + addend) >> shift, low, high);
}

/* The same step by step, for any scales: both operands to one scale with 20 bits more, then their sum to the output's. */
NN_INLINE void NN_add_stepwise(int8_t *y, const int8_t *first, int32_t first_step, const int8_t *second, int32_t second_step,
                               int32_t count, int32_t first_zero, int32_t second_zero, int32_t sign, int32_t first_multiplier,
                               int32_t first_exponent, int32_t second_multiplier, int32_t second_exponent, int32_t multiplier,
                               int32_t exponent, int32_t zero_point, int32_t low, int32_t high)
{
    NN_ROLLED
    for (int32_t i = 0; i < count; i++) {
        const int32_t a = NN_scale((first[i * first_step] - first_zero) * (1 << 20), first_multiplier, first_exponent);
        const int32_t b = NN_scale((second[i * second_step] - second_zero) * (1 << 20), second_multiplier, second_exponent);
        y[i] = NN_requantize(a + sign * b, multiplier, exponent, zero_point, low, high);
    }
}

#endif
