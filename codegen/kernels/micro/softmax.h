/* Softmax in fixed point: the exponential of one difference, the reciprocal of their sum, one output. Qm.n has m integer bits. */
#ifndef NN_SOFTMAX_H
#define NN_SOFTMAX_H

#include "linkage.h"
#include "requantize.h"

/* One body for the many products: the layer is short, its code should be too. */
NN_SHARED int32_t NN_softmax_multiply(int32_t a, int32_t b)
{
    return NN_high_multiply(a, b);
}

/* exp(difference * scale) in Q0.31 for a difference from -255 to 0, of which those below `least` count as 0. The factor
 * (multiplier, left) brings a difference to Q5.26.
 *
 * The argument is a remainder in [-1/4, 0), whose exponential is a polynomial about -1/8, less a sum of powers of two. */
NN_SHARED int32_t NN_softmax_exp(int32_t difference, int32_t multiplier, int32_t left, int32_t least)
{
    static const int32_t exp_of_minus_powers[7] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    if (difference < least)
        return 0;
    if (difference == 0)
        return INT32_MAX;
    const int32_t argument = NN_softmax_multiply(difference * (1 << left), multiplier);
    if (argument == 0)
        return INT32_MAX;
    const int32_t remainder = (int32_t)((uint32_t)argument & 0xFFFFFFU) - (1 << 24);
    const int32_t t = remainder * 32 + (1 << 28);
    const int32_t t2 = NN_softmax_multiply(t, t);
    const int32_t t3 = NN_softmax_multiply(t2, t);
    const int32_t t4 = NN_softmax_multiply(t2, t2);
    const int32_t cubic = NN_softmax_multiply(NN_rounding_shift(t4, 2) + t3, 715827883);
    int32_t result = 1895147668 + NN_softmax_multiply(1895147668, t + NN_rounding_shift(cubic + t2, 1));
    const int32_t *factor = exp_of_minus_powers;
    for (int32_t powers = (remainder - argument) >> 24; powers != 0; powers >>= 1, factor++)
        if ((powers & 1) != 0)
            result = NN_softmax_multiply(result, *factor);
    return result;
}

/* Zeros above the highest bit of a positive number. */
NN_SHARED int32_t NN_softmax_headroom(int32_t sum)
{
    int32_t zeros = 1;
    for (; sum < 1 << 30; sum *= 2)
        zeros++;
    return zeros;
}

/* 1 / (1 + v) in Q0.31, where sum * 2^headroom is 1 + v: three Newton steps. */
NN_SHARED int32_t NN_softmax_reciprocal(int32_t sum, int32_t headroom)
{
    const int32_t half = (int32_t)((uint32_t)sum << headroom >> 1);
    int32_t x = 1515870810 - NN_softmax_multiply(half, 1010580540);
    for (int32_t step = 0; step < 3; step++)
        x += NN_softmax_multiply(x, (1 << 29) - NN_softmax_multiply(half, x)) * 4;
    return x > INT32_MAX / 2 ? INT32_MAX : 2 * x;
}

/* exponential * reciprocal as an output with scale 1/256 and zero point -128. */
NN_INLINE int8_t NN_softmax_share(int32_t exponential, int32_t reciprocal, int32_t headroom)
{
    const int32_t shift = 35 - headroom;
    const int32_t product = NN_softmax_multiply(reciprocal, exponential);
    const int32_t share = shift > 31 ? 0 : NN_rounding_shift(product, shift);
    return (int8_t)(share > 255 ? 127 : share - 128);
}

#endif
