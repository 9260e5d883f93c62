/* Requantisation: an int32 value times a real factor, rounded twice as TFLite's int8 operators do.
 *
 * A factor is a pair (multiplier, exponent) and stands for multiplier * 2^(exponent - 31). First rounding: doubling high multiply,
 * ties upwards. Second rounding: right shift, ties away from zero. Right shifts of negative numbers are arithmetic, as on every
 * compiler for these targets. */
#ifndef NN_REQUANTIZE_H
#define NN_REQUANTIZE_H

#include <stdint.h>

/* (a * b + 2^30) >> 31, for any a and 0 <= b. */
static inline int32_t NN_high_multiply(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

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

/* The same for |value| < 2^30 and exponent = -shift with 1 <= shift <= 22, what the caller has to prove. */
static inline int8_t NN_requantize_bounded(int32_t value, int32_t multiplier, int32_t shift, int32_t zero_point, int32_t low, int32_t high)
{
    int32_t result;
    /* Half a unit and the zero point, both ahead of the shift: the sum stays below 2^30 + 2^22 * 129. */
    const int32_t addend = (int32_t)((uint32_t)(2 * zero_point + 1) << shift) >> 1;
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
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
}

#endif
