/* The operands of an addition, brought to one scale with 20 bits more. */
#ifndef NN_ADD_H
#define NN_ADD_H

#include "dsp.h"
#include "linkage.h"
#include "requantize.h"

/* The operand with the greater scale: its factor is exactly one half. `difference` is the value less its zero point, -255 to 255. */
NN_INLINE int32_t NN_add_halved(int32_t difference)
{
    return difference * (1 << 19);
}

/* The other operand: difference * 2^20 * multiplier * 2^(-31 - shift) with both roundings; 1 <= shift <= 31. */
NN_INLINE int32_t NN_add_scaled(int32_t difference, int32_t multiplier, int32_t shift)
{
#if NN_HAS_DSP
    int32_t value;
    __asm__("smmulr %0, %1, %2" : "=r"(value) : "r"(difference * (1 << 21)), "r"(multiplier));
#else
    /* (difference * multiplier + 2^10) >> 11 in two products of 32 bits. */
    int32_t value = difference * (multiplier >> 11) + ((difference * (multiplier & 0x7FF) + (1 << 10)) >> 11);
#endif
    return (value + (value >> 31) + (int32_t)(UINT32_C(1) << (shift - 1))) >> shift;
}

#endif
