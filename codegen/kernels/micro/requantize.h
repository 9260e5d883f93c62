/* Requantisation: an int32 value times a real factor, rounded twice as TFLite's int8 operators do.
 *
 * A factor is a pair (multiplier, exponent) and stands for multiplier * 2^(exponent - 31). First rounding: doubling high multiply,
 * ties upwards. Second rounding: right shift, ties away from zero. Right shifts of negative numbers are arithmetic, as on every
 * compiler for these targets. */
#ifndef NN_REQUANTIZE_H
#define NN_REQUANTIZE_H

#include <stdint.h>

#include "dsp.h"

#if NN_FEW_REGISTERS
/* (a * b + 2^30) >> 31 unless both are INT32_MIN. Armv6-M multiplies no more than 32 bits: four products of halves. The two in the
 * middle are shifted before they are added, and what the shift took off is added with what the lowest product carries. */
static inline int32_t NN_high_multiply(int32_t a, int32_t b)
{
    const int32_t a_high = a >> 16, b_high = b >> 16;
    const uint32_t a_low = (uint32_t)a & 0xFFFFU, b_low = (uint32_t)b & 0xFFFFU;
    const int32_t outer = a_high * (int32_t)b_low, inner = (int32_t)a_low * b_high;
    const int32_t carried = (outer & 0x7FFF) + (inner & 0x7FFF) + (int32_t)(a_low * b_low >> 16) + 0x4000;
    return a_high * b_high * 2 + (outer >> 15) + (inner >> 15) + (carried >> 15);
}

/* The same for |a| < 2^30 and 0 <= b. The lower half of a is taken with its sign, so that the products in the middle and the carry
 * stay between -2^31 + 2^15 and 2^31 - 2; the last shift leaves half a unit in the carry flag. */
static inline int32_t NN_high_multiply_bounded(int32_t a, int32_t b)
{
    int32_t result, a_low, b_high;
    __asm__(".syntax unified\n\t"
            "sxth %[a_low], %[a]\n\t"
            "subs %[a], %[a], %[a_low]\n\t"
            "asrs %[a], %[a], #16\n\t"
            "lsrs %[b_high], %[b], #16\n\t"
            "uxth %[b], %[b]\n\t"
            "movs %[result], %[a_low]\n\t"
            "muls %[result], %[b], %[result]\n\t"
            "asrs %[result], %[result], #16\n\t"
            "muls %[b], %[a], %[b]\n\t"
            "adds %[result], %[result], %[b]\n\t"
            "muls %[a_low], %[b_high], %[a_low]\n\t"
            "adds %[result], %[result], %[a_low]\n\t"
            "muls %[a], %[b_high], %[a]\n\t"
            "adds %[a], %[a], %[a]\n\t"
            "asrs %[result], %[result], #15\n\t"
            "adcs %[result], %[a]\n\t"
            : [result] "=&l"(result), [a_low] "=&l"(a_low), [b_high] "=&l"(b_high), [a] "+l"(a), [b] "+l"(b)
            :
            : "cc");
    return result;
}
#else
/* (a * b + 2^30) >> 31 unless both are INT32_MIN. */
static inline int32_t NN_high_multiply(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}
#endif

/* value / 2^bits rounded to nearest, ties away from zero; 0 <= bits <= 31. */
static inline int32_t NN_rounding_shift(int32_t value, int32_t bits)
{
    const int32_t mask = (int32_t)((UINT32_C(1) << bits) - 1U);
    const int32_t threshold = (mask >> 1) + (value < 0);
    return (value >> bits) + ((value & mask) > threshold);
}

/* value * multiplier * 2^(exponent - 31) for any exponent from -31 to 31; a left shift wraps in 32 bits. */
static inline int32_t NN_scale(int32_t value, int32_t multiplier, int32_t exponent)
{
    const int32_t left = exponent > 0 ? exponent : 0;
    const int32_t right = exponent > 0 ? 0 : -exponent;
    return NN_rounding_shift(NN_high_multiply((int32_t)((uint32_t)value << left), multiplier), right);
}

/* value limited to low..high. */
static inline int32_t NN_clamp(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* NN_scale(value) + zero_point, limited to low..high; the sum cannot overflow. */
static inline int8_t NN_requantize(int32_t value, int32_t multiplier, int32_t exponent, int32_t zero_point, int32_t low, int32_t high)
{
    return (int8_t)(NN_clamp(NN_scale(value, multiplier, exponent), low - zero_point, high - zero_point) + zero_point);
}

#if NN_FEW_REGISTERS
/* value / 2^shift rounded to nearest, ties upwards, plus offset: what the shift takes off last is the carry; 1 <= shift <= 31. */
static inline int32_t NN_shift_up(int32_t value, int32_t shift, int32_t offset)
{
    __asm__(".syntax unified\n\t"
            "asrs %0, %0, %1\n\t"
            "adcs %0, %0, %2\n\t"
            : "+l"(value)
            : "l"(shift), "l"(offset)
            : "cc");
    return value;
}

/* value limited to -128..127. */
static inline int32_t NN_saturate(int32_t value)
{
    int32_t result;
    __asm__(".syntax unified\n\t"
            "sxtb %0, %1\n\t"
            "cmp %0, %1\n\t"
            "beq 1f\n\t"
            "movs %0, #127\n\t"
            "asrs %1, %1, #31\n\t"
            "eors %0, %0, %1\n\t"
            "1:\n\t"
            : "=&l"(result), "+l"(value)
            :
            : "cc");
    return result;
}
#endif

/* The same for |value| < 2^30 and exponent = -shift with 1 <= shift <= 22, what the caller has to prove. */
static inline int8_t NN_requantize_bounded(int32_t value, int32_t multiplier, int32_t shift, int32_t zero_point, int32_t low, int32_t high)
{
#if NN_FEW_REGISTERS
    int32_t result = NN_high_multiply_bounded(value, multiplier);
    result = NN_shift_up(result + (result >> 31), shift, zero_point);
    return (int8_t)(low == -128 && high == 127 ? NN_saturate(result) : NN_clamp(result, low, high));
#else
    int32_t result;
    /* Half a unit and the zero point, both ahead of the shift: the sum stays below 2^30 + 2^22 * 129. */
    const int32_t addend = (int32_t)((uint32_t)(2 * zero_point + 1) << shift) >> 1;
#if NN_HAS_DSP
    __asm__("smmulr %0, %1, %2" : "=r"(result) : "r"(value * 2), "r"(multiplier));
#else
    result = NN_high_multiply(value, multiplier);
#endif
    result += result >> 31;
    result = (result + addend) >> shift;
#if defined(__ARM_FEATURE_SAT) && __ARM_FEATURE_SAT
    if (low == -128 && high == 127) {
        __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(result));
        return (int8_t)result;
    }
#endif
    return (int8_t)NN_clamp(result, low, high);
#endif
}

#endif
