/* Products of one to four elements of two operands. */
#ifndef NN_MUL_H
#define NN_MUL_H

#include "elementwise.h"

/* product * multiplier * 2^(-31 - shift), rounded twice as in NN_requantize, for products of two bytes less their zero points;
 * 1 <= shift <= 18. Both roundings of a magnitude are plain ones, and two products of 32 bits are enough. */
NN_INLINE int32_t NN_mul_scaled(int32_t product, int32_t multiplier, int32_t shift)
{
    const uint32_t negative = product < 0;
    const uint32_t magnitude = (uint32_t)(negative ? -product : product);
    const uint32_t low = (magnitude * ((uint32_t)multiplier & 0xFFFF) + (1 << 16) - negative) >> 16;
    const uint32_t rounded = (magnitude * ((uint32_t)multiplier >> 16) + (1 << 14) - 1 + low) >> 15;
    const int32_t scaled = (int32_t)((rounded + (UINT32_C(1) << (shift - 1))) >> shift);
    return negative ? -scaled : scaled;
}

#if NN_HAS_DSP
/* One product: `half` is the half of a unit and the zero point, ahead of the shift; `twice` is twice the product. */
NN_INLINE int32_t NN_mul_one(int32_t twice, int32_t multiplier, int32_t half)
{
    return NN_smmlar(twice, multiplier, half + (twice >> 31));
}

/* Four products before they are shifted. */
NN_INLINE void NN_mul_words(int32_t *products, uint32_t first, uint32_t second, int32_t first_zero, int32_t second_zero,
                            int32_t multiplier, int32_t half)
{
    const uint32_t centre1 = (uint32_t)(-first_zero & 0xFFFF) * UINT32_C(0x10001);
    const uint32_t centre2 = (uint32_t)(-second_zero & 0xFFFF) * UINT32_C(0x10001);
    const uint32_t even = NN_sxtab16(centre1, first), odd = NN_sxtab16_odd(centre1, first);
    const uint32_t even1 = NN_sadd16(even, even), odd1 = NN_sadd16(odd, odd);
    const uint32_t even2 = NN_sxtab16(centre2, second), odd2 = NN_sxtab16_odd(centre2, second);
    products[0] = NN_mul_one((int16_t)even1 * (int16_t)even2, multiplier, half);
    products[1] = NN_mul_one((int16_t)odd1 * (int16_t)odd2, multiplier, half);
    products[2] = NN_mul_one(((int32_t)even1 >> 16) * ((int32_t)even2 >> 16), multiplier, half);
    products[3] = NN_mul_one(((int32_t)odd1 >> 16) * ((int32_t)odd2 >> 16), multiplier, half);
}
#endif

NN_INLINE void NN_mul(int8_t *y, const int8_t *first, int32_t first_step, const int8_t *second, int32_t second_step, int32_t count,
                      int32_t first_zero, int32_t second_zero, int32_t multiplier, int32_t shift, int32_t zero_point, int32_t low,
                      int32_t high)
{
#if NN_HAS_DSP
    if (count == 4) {
        const int32_t half = (2 * zero_point + 1) * (int32_t)(UINT32_C(1) << (shift - 1));
        int32_t products[4];
        NN_mul_words(products, NN_load_elements(first, first_step), NN_load_elements(second, second_step), first_zero, second_zero,
                     multiplier, half);
        NN_STRAIGHT for (int32_t i = 0; i < 4; i++)
            y[i] = (int8_t)NN_clamp(products[i] >> shift, low, high);
        return;
    }
#endif
    NN_REPEATED for (int32_t i = 0; i < count; i++) {
        const int32_t product = (first[i * first_step] - first_zero) * (second[i * second_step] - second_zero);
        y[i] = (int8_t)NN_clamp(NN_mul_scaled(product, multiplier, shift) + zero_point, low, high);
    }
}

/* The same for any exponent. */
NN_INLINE void NN_mul_stepwise(int8_t *y, const int8_t *first, int32_t first_step, const int8_t *second, int32_t second_step,
                               int32_t count, int32_t first_zero, int32_t second_zero, int32_t multiplier, int32_t exponent,
                               int32_t zero_point, int32_t low, int32_t high)
{
    NN_ROLLED
    for (int32_t i = 0; i < count; i++) {
        const int32_t product = (first[i * first_step] - first_zero) * (second[i * second_step] - second_zero);
        y[i] = NN_requantize(product, multiplier, exponent, zero_point, low, high);
    }
}

#endif
