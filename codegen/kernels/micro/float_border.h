/* One element from float32 to int8 and back. */
#ifndef NN_FLOAT_BORDER_H
#define NN_FLOAT_BORDER_H

#include "linkage.h"
#include "requantize.h"

/* value / scale rounded to nearest, ties away from zero, saturated; not-a-number gives the zero point. */
NN_SHARED int8_t NN_quantize(float value, float scale, int32_t zero_point)
{
    const float steps = value / scale;
    const float bounded = steps > 256.0f ? 256.0f : steps < -256.0f ? -256.0f : steps == steps ? steps : 0.0f;
    const int32_t whole = (int32_t)bounded;
    const float fraction = bounded - (float)whole;
    return (int8_t)NN_clamp(whole + (fraction >= 0.5f) - (fraction <= -0.5f) + zero_point, -128, 127);
}

/* scale * (value - zero_point), rounded once. */
NN_SHARED float NN_dequantize(int32_t value, float scale, int32_t zero_point)
{
    return scale * (float)(value - zero_point);
}

#endif
