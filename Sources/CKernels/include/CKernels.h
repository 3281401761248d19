// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of the executor. One source is compiled for each instruction set; a table of
// functions is chosen at run time.
//
// Two rules make a request's numbers independent of its neighbours, bit for bit:
// 1. every output element is one chain of operations in one fixed order, whatever the number of
//    rows, the tiling or the thread;
// 2. work is split over output columns, rows and heads, never over the summed dimension.
//
// No function checks its arguments: the Swift side has validated them. None allocates.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "KernelMeasurement.h"
#include "KernelMemory.h"
#include "KernelTeam.h"

// Output columns that are stored side by side in a packed matrix.
#define KERNEL_PANEL_WIDTH 32
// Activation rows and adapter rows are padded with zeros to a multiple of this.
#define KERNEL_ROW_PADDING 32
// Tokens in one block of keys and values.
#define KERNEL_PAGE_TOKENS 16
// Tokens that one running softmax covers before it is joined with the others.
#define KERNEL_SEGMENT_TOKENS 256
#define KERNEL_STATE_FLOATS(value_stride) (32 + (value_stride))

// Up to so many rows, a product's weights and factors come from memory for it alone; with more,
// they stay in a cache between blocks of rows.
#define KERNEL_STREAMED_ROWS 48
// Inputs that share a scale when activations are 16-bit integers.
#define KERNEL_GROUP_INPUTS 256

typedef enum { KERNEL_F32 = 0, KERNEL_BF16 = 1, KERNEL_F16 = 2, KERNEL_INT8 = 3 } KernelType;

// Rows of activations as integers: value = integer * scale of its group of KERNEL_GROUP_INPUTS.
typedef struct {
    // [rows, stride]; an odd depth is followed by a zero.
    int16_t *values;
    size_t stride;
    // [rows, scales_stride]
    float *scales;
    size_t scales_stride;
} KernelIntegers;

// The second half of an adapter, y[rows, …] += h[rows, depth] * B', for some rows of a product.
// B is packed like W.
typedef struct {
    const void *weights;
    size_t panel_bytes;
    KernelType type;
    size_t depth;
    // The row of h that belongs to `first_row`.
    const float *x;
    size_t x_stride;
    // Rows in the numbering of the step.
    size_t first_row;
    size_t rows;
} KernelExpansion;

typedef struct {
    const void *start;
    size_t bytes;
} KernelRange;

// y[rows, panels * 32] (+)= x[rows, depth] * W', and then the expansions in their order.
//
// W is packed in panels of 32 output columns. A panel holds, for every pair of inputs (k, k + 1):
// f32: 32 weights of k, then 32 of k + 1; bf16: 32 words with k in the low half and k + 1 in the
// high half; int8: 32 times the weights of k and k + 1, and behind all pairs 32 scales in f32.
// `depth` is even; the last weights are zero if the real depth is odd.
typedef struct {
    const void *weights;
    size_t panel_bytes;
    size_t first_panel;
    size_t panels;
    KernelType type;
    size_t depth;
    // The first row's inputs, and its outputs of `first_panel`. For int8 the inputs are integers.
    const float *x;
    size_t x_stride;
    KernelIntegers integers;
    float *y;
    size_t y_stride;
    size_t rows;
    // The first row in the numbering of the step.
    size_t first_row;
    // Whether y holds partial sums to continue from.
    bool accumulate;
    const KernelExpansion *expansions;
    size_t expansion_count;
    // What will be read after this product: fetched meanwhile.
    const KernelRange *later;
    size_t later_count;
    // The panel that this thread will probably compute next; its start is fetched at the end.
    const void *next;
} KernelProduct;

// h[rows, rank] = scales[rank] * factor * (A[rank, depth] * x[rows, depth]).
//
// Rows of A are padded with zeros to `depth`, a multiple of 32. bf16: blocks of 32 inputs are 16
// words, input i in the low half and input i + 16 in the high half of word i.
typedef struct {
    const void *a;
    KernelType type;
    size_t depth;
    size_t rank;
    const float *scales;
    float factor;
    const float *x;
    size_t x_stride;
    size_t rows;
    float *h;
    size_t h_stride;
} KernelShrink;

// Keys of one page and head: [head_size][16 tokens]; values: [16 tokens][padded head_size].
// bf16: keys are [head_size / 2] times 16 words, one for each token, with an even element in the
// low half and the odd one behind it in the high half; values are blocks of 32 in 16 words, element
// i in the low half and element i + 16 in the high half of word i.
// Page p of this head starts p * key_page_stride or p * value_page_stride elements behind page 0.
typedef struct {
    KernelType type;
    void *keys;
    void *values;
    size_t key_page_stride;
    size_t value_page_stride;
    // From one head of a page to the next.
    size_t key_head_stride;
    size_t value_head_stride;
    // `head_size` rounded up to a multiple of 16, or of 32 for bf16.
    size_t value_stride;
} KernelCache;

// Inputs that lie side by side in what a merge reads of A.
#define KERNEL_MERGE_BLOCK 8

// target = W + B * (scaled A), for some panels of W, summed in f32 over the ranks in ascending
// order and rounded once; with int8 each output gets a new scale.
typedef struct {
    // The first panel, and where it goes; 64-byte aligned.
    const void *weights;
    void *target;
    size_t panel_bytes;
    size_t panels;
    KernelType type;
    // Even; inputs that pad an odd depth have zeros in both factors.
    size_t depth;
    // The panel of B that belongs to the first panel, of `adapter_type`.
    const void *b;
    size_t b_panel_bytes;
    KernelType adapter_type;
    size_t rank;
    // From `merge_inputs`.
    const float *inputs;
    // Scratch of 32 * (rank rounded up to even) floats, and with int8 of 32 * depth.
    float *outputs;
    float *sums;
} KernelMerge;

// Online softmax over the tokens [first_token, end_token) of one sequence, for `rows` consecutive
// positions and the `group` query heads that share one key and value head.
typedef struct {
    KernelCache cache;
    size_t head;
    const int32_t *pages;
    // The group's first head in row 0.
    const float *q;
    size_t q_stride;
    float scale;
    size_t rows;
    size_t group;
    size_t head_size;
    // Position of row 0 in the sequence.
    size_t position;
    // A multiple of KERNEL_SEGMENT_TOKENS.
    size_t first_token;
    size_t end_token;
    // Scratch of rows * group * head_size floats.
    float *queries;
    // The result and scratch: for each query KERNEL_STATE_FLOATS(value_stride) floats, padded to
    // state_stride: the maximum, 16 partial sums from 16 on, weighted values from 32 on.
    float *state;
    float *segment_state;
    size_t state_stride;
    // Where the group's first head in row 0 goes; NULL leaves the result in `state`.
    float *out;
    size_t out_stride;
} KernelAttention;

// One row of projections after the products: [q heads | k heads | v heads] at these columns.
typedef struct {
    float *row;
    size_t key_column;
    size_t value_column;
    size_t heads;
    size_t kv_heads;
    size_t head_size;
    // NULL without a norm over each head.
    const float *query_norm;
    const float *key_norm;
    float epsilon;
    // [head_size / 2] cosines, then as many sines.
    const float *angles;
    KernelCache cache;
    int32_t page;
    size_t slot;
} KernelRope;

typedef struct {
    float value;
    size_t index;
    // Whether no value was a NaN; value and index mean nothing otherwise.
    bool is_number;
} KernelPeak;

typedef struct {
    const char *name;
    void (*product)(const KernelProduct *);
    // The integers and scales of x[rows, n]; the scale of a group with an infinity or a NaN is NaN.
    void (*quantize)(const float *x, size_t x_stride, size_t n, size_t rows, KernelIntegers out);
    void (*shrink)(const KernelShrink *);
    // out[rows, n] = weight * x / sqrt(mean(x^2) + epsilon); n values, rows padded to 32.
    void (*norm)(const float *x, size_t x_stride, const float *weight, float epsilon, size_t n,
                 size_t rows, float *out, size_t out_stride);
    // out[rows, n] = silu(gate) * up; n is a multiple of 32.
    void (*swiglu)(const float *gate, const float *up, size_t stride, size_t n, size_t rows,
                   float *out, size_t out_stride);
    // y[rows, n] += x; n is a multiple of 32.
    void (*add)(const float *x, size_t x_stride, size_t n, size_t rows, float *y, size_t y_stride);
    // y[rows, n] += bias[n]; n is a multiple of 32.
    void (*add_bias)(const float *bias, size_t n, size_t rows, float *y, size_t y_stride);
    // Norms and rotates the query heads in place, writes keys and values into the cache.
    void (*rope)(const KernelRope *);
    // out[n] = exp(x[n]); exposed so that its error can be tested.
    void (*exponential)(const float *x, size_t n, float *out);
    void (*attend)(const KernelAttention *);
    // Joins the states of consecutive segments, which lie `stride` floats apart from `state` on,
    // into the first one, and writes `out`.
    void (*attend_join)(const KernelAttention *, size_t segments, size_t stride);
    void (*merge)(const KernelMerge *);
    // out[depth / 8][rank][8] = scales[rank] * A[rank][depth], from packed rows of A; `depth` is a
    // multiple of 32.
    void (*merge_inputs)(const void *a, KernelType type, size_t depth, size_t rank,
                         const float *scales, float *out);
    // Multiply-adds of independent chains, for measuring the peak. Returns the operations done.
    double (*spin)(size_t iterations, float *result);
    // Reads `bytes` (a multiple of 256) once, in order; the result depends on all of them.
    uint32_t (*read_all)(const void *memory, size_t bytes);
    // The largest of x[n] and the lowest index that holds it; -infinity and n where there is none.
    // `peak` and `weights` give the same bits on every path.
    KernelPeak (*peak)(const float *x, size_t n);
    // out[n] = exp((x[n] - peak) * scale), to about two units in the last place, 0 below -87;
    // returns their sum. No x is above `peak`.
    double (*weights)(const float *x, size_t n, float peak, float scale, float *out);
} KernelTable;

// Paths from the fastest to the one that runs anywhere.
typedef enum {
    KERNEL_PATH_AVX512VNNI = 0,
    KERNEL_PATH_AVX512 = 1,
    KERNEL_PATH_AVX2 = 2,
    KERNEL_PATH_PORTABLE = 3
} KernelPath;

// The path's functions, or NULL if this processor or build has not got it.
const KernelTable *kernel_table(KernelPath path);

// MARK: packing, the same for every path

// Packs rows [first_panel * 32, …) of a row-major [n, k] matrix into `panels` panels of `to`.
void kernel_pack(const void *source, KernelType from, size_t n, size_t k, size_t first_panel,
                 size_t panels, KernelType to, void *target);
// out[k] = row `index` of a packed matrix.
void kernel_unpack_row(const void *packed, KernelType type, size_t k, size_t index, float *out);
// out[2 * pairs][32] = a packed panel as f32.
void kernel_unpack_panel(const void *packed, KernelType type, size_t pairs, float *out);
// Packs one row of a LoRA A matrix, padded to `depth`.
void kernel_pack_shrink_row(const void *source, KernelType from, size_t k, size_t depth,
                            KernelType to, void *target);
// out[n] = source[n] as f32.
void kernel_convert(const void *source, KernelType from, size_t n, float *out);
// target[n] = source[n] at type `to`.
void kernel_copy(const void *source, KernelType from, size_t n, KernelType to, void *target);
// cosines then sines of position * frequencies[half].
void kernel_angles(size_t position, const float *frequencies, size_t half, float *out);
