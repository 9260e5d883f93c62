/* SPDX-License-Identifier: Apache-2.0 */
/* From samples to bytes of a spectrogram, in integers throughout. Generated, do not edit.
 *
 * Shifts of negative numbers to the right are arithmetic, as with every compiler for these cores. `Qn` has n fraction bits. */
#include "NN_features.h"
#include "NN_features_tables.h"

#if defined(__GNUC__)
#define NN_INLINE static inline __attribute__((always_inline))
#else
#define NN_INLINE static inline
#endif

/* In front of a loop: unrolled where speed counts. */
#if defined(__OPTIMIZE_SIZE__) || !defined(__GNUC__)
#define NN_REPEATED
#elif defined(__clang__)
#define NN_REPEATED _Pragma("clang loop unroll_count(4)")
#else
#define NN_REPEATED _Pragma("GCC unroll 4")
#endif

/* Where speed counts, each step of the transform has a body of its own, which saves registers. Armv6-M has too few in any case. */
#if defined(__OPTIMIZE_SIZE__) || (defined(__thumb__) && !defined(__thumb2__))
#define NN_FFT_PASS static
#else
#define NN_FFT_PASS NN_INLINE
#endif

#define NN_SIZE (NN_FEATURES_FFT / 2) /* of the complex transform, whose values are pairs of samples */

typedef struct {
    int32_t re, im;
} NN_complex;

/* x times the lower or upper half of root, rounded down to multiples of 2^16. */
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
NN_INLINE int32_t NN_times_lower(int32_t x, uint32_t root)
{
    int32_t product;
    __asm__("smulwb %0, %1, %2" : "=r"(product) : "r"(x), "r"(root));
    return product;
}

NN_INLINE int32_t NN_times_upper(int32_t x, uint32_t root)
{
    int32_t product;
    __asm__("smulwt %0, %1, %2" : "=r"(product) : "r"(x), "r"(root));
    return product;
}

NN_INLINE int32_t NN_add_times_upper(int32_t sum, int32_t x, uint32_t root)
{
    __asm__("smlawt %0, %1, %2, %0" : "+r"(sum) : "r"(x), "r"(root));
    return sum;
}
#else
NN_INLINE int32_t NN_scaled(int32_t x, int32_t factor)
{
    return (x >> 16) * factor + (((int32_t)(x & 0xffff) * factor) >> 16);
}

NN_INLINE int32_t NN_times_lower(int32_t x, uint32_t root)
{
    return NN_scaled(x, (int16_t)(root & 0xffffu));
}

NN_INLINE int32_t NN_times_upper(int32_t x, uint32_t root)
{
    return NN_scaled(x, (int32_t)root >> 16);
}

NN_INLINE int32_t NN_add_times_upper(int32_t sum, int32_t x, uint32_t root)
{
    return sum + NN_times_upper(x, root);
}
#endif

/* Half of z times (cos - i sin), which are the lower and the upper half of root in Q15; each product is rounded for itself. */
NN_INLINE NN_complex NN_half_product(NN_complex z, uint32_t root)
{
    NN_complex half;
    half.re = NN_add_times_upper(NN_times_lower(z.re, root), z.im, root);
    half.im = NN_times_lower(z.im, root) - NN_times_upper(z.re, root);
    return half;
}

/* Sample base + i of the frame under the window, zero behind its end; i is less than width. On which side of the window that is
 * follows from the two constants where a frame is as long as the transform. */
NN_INLINE int32_t NN_windowed(const int16_t *frame, uint32_t base, uint32_t width, uint32_t i)
{
    const uint32_t middle = (NN_FEATURES_FRAME + 1) / 2;
    const int rises = base + width <= middle || (base < middle && base + i < middle);
    if (base + width > NN_FEATURES_FRAME && base + i >= NN_FEATURES_FRAME) {
        return 0;
    }
    return (frame[base + i] * NN_features_window[rises ? base + i : NN_FEATURES_FRAME - base - i]) >> NN_FEATURES_WINDOW_SHIFT;
}

/* Value n of one of the parts that the first step brings together. */
NN_INLINE NN_complex NN_pair(const int16_t *frame, uint32_t part, uint32_t n)
{
    const uint32_t width = NN_FEATURES_FFT / NN_FEATURES_FIRST_STEP;
    NN_complex z;
    z.re = NN_windowed(frame, part * width, width, 2 * n);
    z.im = NN_windowed(frame, part * width, width, 2 * n + 1);
    return z;
}

NN_INLINE NN_complex NN_load(const int32_t *bins)
{
    NN_complex z;
    z.re = bins[0];
    z.im = bins[1];
    return z;
}

NN_INLINE void NN_store(int32_t *bins, int32_t re, int32_t im)
{
    bins[0] = re;
    bins[1] = im;
}

/* The window, and the first step of the transform: its values, in bit-reversed order, in groups of four or two. */
static void NN_first_step(const int16_t *frame, int32_t *bins)
{
    uint32_t n = 0; /* the group's number, its bits reversed */
    int32_t *const end = bins + NN_FEATURES_FFT;
    while (bins < end) {
        uint32_t bit = NN_SIZE / NN_FEATURES_FIRST_STEP / 2;
#if NN_FEATURES_FIRST_STEP == 4
        const NN_complex a = NN_pair(frame, 0, n), b = NN_pair(frame, 2, n), c = NN_pair(frame, 1, n), d = NN_pair(frame, 3, n);
        const int32_t even_re = a.re + b.re, even_im = a.im + b.im, odd_re = a.re - b.re, odd_im = a.im - b.im;
        NN_store(bins, even_re + (c.re + d.re), even_im + (c.im + d.im));
        NN_store(bins + 2, odd_re + (c.im - d.im), odd_im - (c.re - d.re));
        NN_store(bins + 4, even_re - (c.re + d.re), even_im - (c.im + d.im));
        NN_store(bins + 6, odd_re - (c.im - d.im), odd_im + (c.re - d.re));
#else
        const NN_complex a = NN_pair(frame, 0, n), b = NN_pair(frame, 1, n);
        NN_store(bins, a.re + b.re, a.im + b.im);
        NN_store(bins + 2, a.re - b.re, a.im - b.im);
#endif
        bins += 2 * NN_FEATURES_FIRST_STEP;
        while (n & bit) {
            n ^= bit;
            bit >>= 1;
        }
        n |= bit;
    }
}

/* A step of four, in place: groups of 4 * done values become transforms of that size. The tables hold minus the roots and products
 * are halves, hence minus twice. */
NN_FFT_PASS void NN_fft_pass(int32_t *bins, uint32_t done, uint32_t stride)
{
    for (uint32_t j = 0; j < done; ++j) {
        const uint32_t once = NN_features_twiddles[j * stride];
        const uint32_t twice = NN_features_twiddles[2 * j * stride];
        const uint32_t thrice = NN_features_twiddles[3 * j * stride];
        for (int32_t *z = bins + 2 * j; z < bins + NN_FEATURES_FFT; z += 8 * done) {
            const NN_complex a = NN_load(z);
            const NN_complex b = NN_half_product(NN_load(z + 2 * done), twice);
            const NN_complex c = NN_half_product(NN_load(z + 4 * done), once);
            const NN_complex d = NN_half_product(NN_load(z + 6 * done), thrice);
            const int32_t even_re = a.re - 2 * b.re, even_im = a.im - 2 * b.im;
            const int32_t odd_re = a.re + 2 * b.re, odd_im = a.im + 2 * b.im;
            const int32_t sum_re = c.re + d.re, sum_im = c.im + d.im, less_re = c.re - d.re, less_im = c.im - d.im;
            NN_store(z, even_re - 2 * sum_re, even_im - 2 * sum_im);
            NN_store(z + 2 * done, odd_re - 2 * less_im, odd_im + 2 * less_re);
            NN_store(z + 4 * done, even_re + 2 * sum_re, even_im + 2 * sum_im);
            NN_store(z + 6 * done, odd_re + 2 * less_im, odd_im - 2 * less_re);
        }
    }
}

static void NN_transform(const int16_t *frame, int32_t *bins)
{
    NN_first_step(frame, bins);
    NN_fft_pass(bins, NN_FEATURES_FIRST_STEP, NN_SIZE / NN_FEATURES_FIRST_STEP / 4);
#if NN_SIZE > 4 * NN_FEATURES_FIRST_STEP
    NN_fft_pass(bins, 4 * NN_FEATURES_FIRST_STEP, NN_SIZE / NN_FEATURES_FIRST_STEP / 16);
#endif
#if NN_SIZE > 16 * NN_FEATURES_FIRST_STEP
    NN_fft_pass(bins, 16 * NN_FEATURES_FIRST_STEP, NN_SIZE / NN_FEATURES_FIRST_STEP / 64);
#endif
#if NN_SIZE > 64 * NN_FEATURES_FIRST_STEP
    NN_fft_pass(bins, 64 * NN_FEATURES_FIRST_STEP, NN_SIZE / NN_FEATURES_FIRST_STEP / 256);
#endif
#if NN_SIZE > 256 * NN_FEATURES_FIRST_STEP
    NN_fft_pass(bins, 256 * NN_FEATURES_FIRST_STEP, NN_SIZE / NN_FEATURES_FIRST_STEP / 1024);
#endif
}

/* From the transform of pairs to that of the real samples, but for the bins of no frequency and of half the rate, and with the upper
 * half conjugated, which powers do not show. The bin in the middle is its own partner and has its power already. */
static void NN_split(int32_t *bins)
{
    for (uint32_t bin = 1; bin < NN_SIZE / 2; ++bin) {
        int32_t *const low = bins + 2 * bin, *const high = bins + 2 * (NN_SIZE - bin);
        const NN_complex a = NN_load(low), b = NN_load(high);
        const int32_t even_re = (a.re + b.re) >> 1, even_im = (a.im - b.im) >> 1;
        NN_complex odd;
        odd.re = a.re - b.re;
        odd.im = a.im + b.im;
        odd = NN_half_product(odd, NN_features_split_twiddles[bin]);
        NN_store(low, even_re - odd.im, even_im + odd.re);
        NN_store(high, even_re + odd.im, even_im - odd.re);
    }
}

/* By how many bits components must be shifted to have 15 beside the sign. */
NN_INLINE int32_t NN_excess(const int32_t *z, const int32_t *end)
{
    uint32_t bits = 0x7fff;
    for (; z < end; z += 2) {
        bits |= (uint32_t)((z[0] ^ (z[0] >> 31)) | (z[1] ^ (z[1] >> 31)));
    }
#if defined(__ARM_FEATURE_CLZ)
    return 17 - __builtin_clz(bits);
#else
    int32_t excess = 0;
    for (uint32_t most = 0x7fff; bits > most; most = 2 * most + 1) {
        ++excess;
    }
    return excess;
#endif
}

/* Logarithm to base two in Q9 of the larger of value and one, by a table with straight lines between its values. */
static int32_t NN_log2(uint64_t value)
{
    uint32_t top = (uint32_t)(value >> 32), below = (uint32_t)value;
    int32_t whole = 63, between, from;
    if (top == 0) {
        top = below;
        below = 0;
        whole = 31;
    }
    if (top == 0) {
        return 0;
    }
#if defined(__ARM_FEATURE_CLZ)
    if (top >> 31 == 0) {
        const int32_t zeros = __builtin_clz(top);
        top = (top << zeros) | (below >> (32 - zeros));
        whole -= zeros;
    }
#else
    for (int32_t step = 16; step > 0; step >>= 1) {
        if (top >> (32 - step) == 0) {
            top = (top << step) | (below >> (32 - step));
            below <<= step;
            whole -= step;
        }
    }
#endif
    from = NN_features_log[(top >> 26) & 31u];
    between = (int32_t)NN_features_log[((top >> 26) & 31u) + 1] - from;
    between = from + ((between * (int32_t)((top >> 10) & 0xffffu)) >> 16);
    return (whole << 9) + ((between + 32) >> 6);
}

/* sum + power * weight; powers have 32 bits, weights Q15. */
NN_INLINE uint64_t NN_add_weighted(uint64_t sum, uint32_t power, uint32_t weight)
{
#if defined(__thumb__) && !defined(__thumb2__) /* no product of 64 bits */
    return sum + ((uint64_t)((power >> 16) * weight) << 16) + (power & 0xffffu) * weight;
#else
    return sum + (uint64_t)power * weight;
#endif
}

/* The logarithms of the triangles' sums, Q9 less 44. They are put where bins have been read. A triangle's falling side is one minus
 * the next one's rising side. What lies between two corners has a shift of its own, so that quiet bands keep their bits. */
static void NN_bands(int32_t *bins)
{
    const uint16_t *weight = NN_features_weights;
    const int32_t *z = bins + 2 * NN_FEATURES_FIRST_BIN;
    int32_t *log = bins, before_shift = 0;
    uint64_t before = 0;
    for (uint32_t segment = 0; segment <= NN_FEATURES_BANDS; ++segment) {
        const int32_t *const end = bins + 2 * NN_features_edges[segment + 1];
        const int32_t shift = NN_excess(z, end);
        uint64_t rising = 0, whole = 0;
        for (; z < end; z += 2) {
            const int32_t re = z[0] >> shift, im = z[1] >> shift;
            const uint32_t power = (uint32_t)(re * re) + (uint32_t)(im * im);
            rising = NN_add_weighted(rising, power, *weight++);
            whole += power;
        }
        if (segment > 0) {
            uint64_t falling = (whole << 15) - rising;
            if (shift > before_shift) {
                before >>= 2 * (shift - before_shift);
                before_shift = shift;
            } else {
                falling >>= 2 * (before_shift - shift);
            }
            *log++ = NN_log2(before + falling) + (before_shift << 10) - (44 << 9);
        }
        before = rising;
        before_shift = shift;
    }
}

/* What goes through the DCT, or as it is, to the output: value c of the column. */
NN_INLINE int32_t NN_value(const int32_t *logs, uint32_t c)
{
#if NN_FEATURES_COEFFICIENTS > 0
    const int16_t *const row = NN_features_dct + c * NN_FEATURES_BANDS;
    int32_t sum = 0;
    NN_REPEATED
    for (uint32_t band = 0; band < NN_FEATURES_BANDS; ++band) {
        sum += row[band] * logs[band];
    }
    return sum >> NN_FEATURES_DCT_BITS;
#else
    return logs[c];
#endif
}

void NN_features_column(const int16_t *frame, NN_features_scratch *scratch, int8_t *column)
{
    int32_t *const bins = scratch->bins;

    NN_transform(frame, bins);
    NN_split(bins);
    NN_bands(bins);
    for (uint32_t c = 0; c < NN_FEATURES_COLUMNS; ++c) {
        const int32_t value = NN_value(bins, c);
        const int32_t steps = (value * NN_features_multipliers[c] + NN_features_biases[c]) >> NN_FEATURES_SHIFT;
        column[c] = (int8_t)(steps < -128 ? -128 : steps > 127 ? 127 : steps);
    }
}

void NN_features_start(NN_features_state *state)
{
    state->held = 0;
}

/* Samples towards the start of memory, which may overlap. */
NN_INLINE void NN_copy(int16_t *to, const int16_t *from, size_t n)
{
    NN_REPEATED
    for (size_t i = 0; i < n; ++i) {
        to[i] = from[i];
    }
}

size_t NN_features_push(
    NN_features_state *state, NN_features_scratch *scratch, const int16_t *samples, size_t n, int8_t *columns)
{
    int32_t held = state->held;
    size_t count = 0;

    while (n > 0) {
        size_t taken = (size_t)(held < 0 ? -held : NN_FEATURES_FRAME - held);
        taken = taken < n ? taken : n;
        if (held >= 0) {
            NN_copy(state->samples + held, samples, taken);
        }
        samples += taken;
        n -= taken;
        held += (int32_t)taken;
        if (held == NN_FEATURES_FRAME) {
            NN_features_column(state->samples, scratch, columns + count * NN_FEATURES_COLUMNS);
            ++count;
            held = NN_FEATURES_FRAME - NN_FEATURES_HOP;
#if NN_FEATURES_HOP < NN_FEATURES_FRAME
            NN_copy(state->samples, state->samples + NN_FEATURES_HOP, NN_FEATURES_FRAME - NN_FEATURES_HOP);
#endif
        }
    }
    state->held = held;
    return count;
}

size_t NN_features(const int16_t *samples, size_t n, NN_features_scratch *scratch, int8_t *columns)
{
    size_t count = 0;
    for (; n >= NN_FEATURES_FRAME; n -= NN_FEATURES_HOP) {
        NN_features_column(samples, scratch, columns);
        ++count;
        if (n - NN_FEATURES_FRAME < NN_FEATURES_HOP) {
            break;
        }
        samples += NN_FEATURES_HOP;
        columns += NN_FEATURES_COLUMNS;
    }
    return count;
}
