// SSIM and its gradient the plain way, in double: the textbook's five statistics, one two-dimensional window per
// pixel, and the gradient scattered from each map pixel to the pixels its window saw. Slow, and nothing like the
// library's way of computing it, which is the point.
#ifndef FSSIM_TESTS_REFERENCE_H
#define FSSIM_TESTS_REFERENCE_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "fused_ssim.h"

enum { REFERENCE_TAPS = 11, REFERENCE_RADIUS = 5 };

typedef struct {
    int n, c, h, w;
    int padding;    // FSSIM_PADDING_*
    double sigma, data_range, k1, k2;
} reference_problem;

static inline reference_problem reference_defaults(int n, int c, int h, int w) {
    reference_problem problem = {n, c, h, w, FSSIM_PADDING_SAME, 1.5, 1.0, 0.01, 0.03};
    return problem;
}

static inline int reference_margin(const reference_problem* p) {
    return p->padding == FSSIM_PADDING_VALID ? REFERENCE_RADIUS : 0;
}

static inline int reference_map_height(const reference_problem* p) { return p->h - 2 * reference_margin(p); }

static inline int reference_map_width(const reference_problem* p) { return p->w - 2 * reference_margin(p); }

static inline size_t reference_pixels(const reference_problem* p) { return (size_t)p->n * p->c * p->h * p->w; }

static inline size_t reference_map_pixels(const reference_problem* p) {
    return (size_t)p->n * p->c * reference_map_height(p) * reference_map_width(p);
}

// The taps are part of the definition: rounded to f32, whatever the arithmetic.
static inline void reference_taps(double sigma, double taps[REFERENCE_TAPS]) {
    double sum = 0;
    for (int i = 0; i < REFERENCE_TAPS; i++) {
        double distance = (i - REFERENCE_RADIUS) / sigma;
        taps[i] = exp(-0.5 * distance * distance);
        sum += taps[i];
    }
    for (int i = 0; i < REFERENCE_TAPS; i++) taps[i] = (float)(taps[i] / sum);
}

typedef struct {
    double mu1, mu2, luminance_top, luminance_bottom, contrast_top, contrast_bottom, ssim;
} reference_pixel;

// The statistics and SSIM of the window around (row, column) of one plane.
static inline reference_pixel reference_window(const reference_problem* p, const double* taps, const float* x,
                                               const float* y, int row, int column) {
    double mu1 = 0, mu2 = 0, xx = 0, yy = 0, xy = 0;
    for (int i = -REFERENCE_RADIUS; i <= REFERENCE_RADIUS; i++) {
        for (int j = -REFERENCE_RADIUS; j <= REFERENCE_RADIUS; j++) {
            int r = row + i, q = column + j;
            if (r < 0 || r >= p->h || q < 0 || q >= p->w) continue;
            double weight = taps[i + REFERENCE_RADIUS] * taps[j + REFERENCE_RADIUS];
            double a = x[(size_t)r * p->w + q], b = y[(size_t)r * p->w + q];
            mu1 += weight * a;
            mu2 += weight * b;
            xx += weight * a * a;
            yy += weight * b * b;
            xy += weight * a * b;
        }
    }
    double c1 = p->k1 * p->data_range * p->k1 * p->data_range, c2 = p->k2 * p->data_range * p->k2 * p->data_range;
    reference_pixel s;
    s.mu1 = mu1;
    s.mu2 = mu2;
    s.luminance_top = 2 * mu1 * mu2 + c1;
    s.luminance_bottom = mu1 * mu1 + mu2 * mu2 + c1;
    s.contrast_top = 2 * (xy - mu1 * mu2) + c2;
    s.contrast_bottom = (xx - mu1 * mu1) + (yy - mu2 * mu2) + c2;
    s.ssim = s.luminance_top * s.contrast_top / (s.luminance_bottom * s.contrast_bottom);
    return s;
}

// The SSIM map of dense NCHW images: reference_map_pixels doubles.
static inline void reference_map(const reference_problem* p, const float* x, const float* y, double* map) {
    double taps[REFERENCE_TAPS];
    reference_taps(p->sigma, taps);
    int margin = reference_margin(p);
    for (int plane = 0; plane < p->n * p->c; plane++) {
        size_t base = (size_t)plane * p->h * p->w;
        for (int row = margin; row < p->h - margin; row++)
            for (int column = margin; column < p->w - margin; column++)
                *map++ = reference_window(p, taps, x + base, y + base, row, column).ssim;
    }
}

// How many values a reduction leaves.
static inline size_t reference_values(const reference_problem* p, int reduction) {
    switch (reduction) {
    case FSSIM_REDUCTION_MEAN: return 1;
    case FSSIM_REDUCTION_PER_IMAGE: return (size_t)p->n;
    case FSSIM_REDUCTION_PER_CHANNEL: return (size_t)p->n * p->c;
    default: return reference_map_pixels(p);
    }
}

static inline void reference_reduce(const reference_problem* p, int reduction, const double* map, double* values) {
    size_t count = reference_values(p, reduction), group = reference_map_pixels(p) / count;
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        for (size_t j = 0; j < group; j++) sum += map[i * group + j];
        values[i] = sum / (double)group;
    }
}

// The gradient with respect to x of sum(upstream * values); upstream NULL: ones.
static inline void reference_gradient(const reference_problem* p, int reduction, const float* upstream, const float* x,
                                      const float* y, double* gradient) {
    double taps[REFERENCE_TAPS];
    reference_taps(p->sigma, taps);
    size_t group = reference_map_pixels(p) / reference_values(p, reduction), map_index = 0;
    int margin = reference_margin(p);
    for (size_t i = 0; i < reference_pixels(p); i++) gradient[i] = 0;
    for (int plane = 0; plane < p->n * p->c; plane++) {
        size_t base = (size_t)plane * p->h * p->w;
        for (int row = margin; row < p->h - margin; row++) {
            for (int column = margin; column < p->w - margin; column++, map_index++) {
                reference_pixel s = reference_window(p, taps, x + base, y + base, row, column);
                double seed = (upstream == NULL ? 1.0 : upstream[map_index / group]) / (double)group;
                double per_mu = seed * s.ssim * (2 * s.mu2 / s.luminance_top - 2 * s.mu1 / s.luminance_bottom);
                double per_variance = -seed * s.ssim / s.contrast_bottom;
                double per_covariance = seed * 2 * s.luminance_top / (s.luminance_bottom * s.contrast_bottom);
                for (int i = -REFERENCE_RADIUS; i <= REFERENCE_RADIUS; i++) {
                    for (int j = -REFERENCE_RADIUS; j <= REFERENCE_RADIUS; j++) {
                        int r = row + i, q = column + j;
                        if (r < 0 || r >= p->h || q < 0 || q >= p->w) continue;
                        size_t at = base + (size_t)r * p->w + q;
                        double weight = taps[i + REFERENCE_RADIUS] * taps[j + REFERENCE_RADIUS];
                        gradient[at] +=
                            weight * (per_mu + per_variance * 2 * (x[at] - s.mu1) + per_covariance * (y[at] - s.mu2));
                    }
                }
            }
        }
    }
}

// |a - b| / |b|, Euclidean.
static inline double reference_distance(const float* a, const double* b, size_t count) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        norm += b[i] * b[i];
    }
    return sqrt(difference / norm);
}

// Repeatable pixels: a smooth picture with noise in x, and in y a blend of it with other noise, as a fit would see.
static inline void reference_images(size_t count, int width, float* x, float* y) {
    uint32_t state = 2463534242u;
    for (size_t i = 0; i < count; i++) {
        double noise[2];
        for (int k = 0; k < 2; k++) {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            noise[k] = state / 4294967296.0;
        }
        double smooth = 0.5 + 0.3 * sin((double)(i % (size_t)width) / 5.0) * cos((double)(i / (size_t)width) / 7.0);
        x[i] = (float)(0.7 * smooth + 0.3 * noise[0]);
        y[i] = (float)(0.75 * x[i] + 0.25 * noise[1]);
    }
}

#endif
