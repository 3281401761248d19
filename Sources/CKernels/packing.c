// SPDX-License-Identifier: Apache-2.0
//
// A packed panel is a transposed matrix of 32-bit words: word w of output column c lies at
// w * 32 + c, and is one f32 or one pair of bf16. So both types are transposed alike, four words
// of four rows at a time.

#include <math.h>

#include "elements.h"

// A row's words in one cache line: a row is read line by line, since rows of a whole number of
// pages all fall into the same cache set.
#define LINE_WORDS 16
// How far ahead of its use a row is fetched.
#define AHEAD_BYTES 256

INLINE size_t word_elements(KernelType to) { return to == KERNEL_BF16 ? 2 : 1; }

INLINE words4 words4_at(const void *from, KernelType type, KernelType to) {
    return to == KERNEL_BF16 ? pairs4_at(from, type) : floats4_at(from, type);
}

// Four words of a row from word `word` on; what lies behind its `k` elements is zero.
INLINE words4 row_words(const char *row, KernelType from, size_t k, size_t word, KernelType to) {
    const size_t elements = 4 * word_elements(to), size = element_bytes(from);
    size_t first = word * word_elements(to);
    if (first + elements <= k) return words4_at(row + first * size, from, to);
    char padded[32] = {0};
    if (first < k) memcpy(padded, row + first * size, (k - first) * size);
    return words4_at(padded, from, to);
}

INLINE void store_transposed(words4 r0, words4 r1, words4 r2, words4 r3, size_t count,
                             uint32_t *target) {
    words4 a = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
    words4 b = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
    words4 c = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
    words4 d = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
    words4 columns[4] = {
        __builtin_shufflevector(a, b, 0, 1, 4, 5), __builtin_shufflevector(a, b, 2, 3, 6, 7),
        __builtin_shufflevector(c, d, 0, 1, 4, 5), __builtin_shufflevector(c, d, 2, 3, 6, 7)};
    for (size_t i = 0; i < count; i++) {
        memcpy(target + i * KERNEL_PANEL_WIDTH, &columns[i], sizeof columns[i]);
    }
}

// Words [word, end) of four rows, of which `rows` exist.
INLINE void pack_rows(const char *source, KernelType from, size_t rows, size_t k, size_t word,
                      size_t end, KernelType to, uint32_t *target) {
    const size_t stride = k * element_bytes(from);
    const words4 nothing = (words4)(0);
    for (; word < end; word += 4) {
        size_t left = end - word < 4 ? end - word : 4;
        words4 r0 = rows > 0 ? row_words(source, from, k, word, to) : nothing;
        words4 r1 = rows > 1 ? row_words(source + stride, from, k, word, to) : nothing;
        words4 r2 = rows > 2 ? row_words(source + 2 * stride, from, k, word, to) : nothing;
        words4 r3 = rows > 3 ? row_words(source + 3 * stride, from, k, word, to) : nothing;
        store_transposed(r0, r1, r2, r3, left, target + word * KERNEL_PANEL_WIDTH);
    }
}

// `columns` rows of the source become the columns of one panel; the others are zero.
INLINE void pack_panel(const char *source, KernelType from, size_t columns, size_t k,
                       KernelType to, uint32_t *target) {
    const size_t width = word_elements(to), words = (k + 1) / 2 * 2 / width;
    const size_t stride = k * element_bytes(from);
    for (size_t word = 0; word < words; word += LINE_WORDS) {
        size_t end = word + LINE_WORDS < words ? word + LINE_WORDS : words;
        for (size_t column = 0; column < KERNEL_PANEL_WIDTH; column += 4) {
            size_t rows = column >= columns ? 0 : columns - column < 4 ? columns - column : 4;
            const char *first = source + column * stride;
            const size_t line = LINE_WORDS * width * element_bytes(from);
            const char *ahead = first + word / LINE_WORDS * line + AHEAD_BYTES;
            for (size_t row = 0; row < rows; row++, ahead += stride) {
                for (size_t byte = 0; byte < line; byte += 64) __builtin_prefetch(ahead + byte);
            }
            pack_rows(first, from, rows, k, word, end, to, target + column);
        }
    }
}

// Bytes of a panel of so many pairs of inputs.
static size_t panel_bytes(size_t pairs, KernelType type) {
    switch (type) {
    case KERNEL_INT8: return pairs * 2 * KERNEL_PANEL_WIDTH + KERNEL_PANEL_WIDTH * sizeof(float);
    case KERNEL_BF16: return pairs * 4 * KERNEL_PANEL_WIDTH;
    default: return pairs * 8 * KERNEL_PANEL_WIDTH;
    }
}

// Four elements of a row; what lies behind its `k` elements is zero.
INLINE floats4 row_floats(const char *row, KernelType from, size_t k, size_t first) {
    return (floats4)row_words(row, from, k, first, KERNEL_F32);
}

INLINE floats4 choose_floats(signs4 mask, floats4 yes, floats4 no) {
    return (floats4)choose4((words4)mask, (words4)yes, (words4)no);
}

// The nearest integers from -127 to 127.
INLINE words4 integers4(floats4 values) {
    const floats4 least = (floats4)(-127), most = (floats4)(127);
    const floats4 magic = (floats4)(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
    values = choose_floats(values > least, values, least);
    values = choose_floats(values < most, values, most);
    return (words4)__builtin_convertvector((values + magic) - magic, signs4);
}

// One output's weights, rounded to the nearest of 255 multiples of its scale: a pair of inputs in
// two bytes, and as many pairs apart as a panel has outputs.
INLINE void pack_integers(const char *row, KernelType from, size_t k, char *out, float *scale) {
    floats4 largest = (floats4)(0), poison = (floats4)(0);
    for (size_t i = 0; i < k; i += 4) {
        floats4 values = row_floats(row, from, k, i);
        poison = poison + values * (floats4)(0);
        floats4 size = (floats4)((words4)values & 0x7FFFFFFFu);
        largest = choose_floats(size > largest, size, largest);
    }
    float most = fmaxf(fmaxf(largest.x, largest.y), fmaxf(largest.z, largest.w));
    // A NaN where a weight is not finite, as with weights of other types: not a wrong number.
    *scale = most * (1 / 127.0f) + (poison.x + poison.y + poison.z + poison.w);
    const floats4 factor = (floats4)(most > 0 ? 127.0f / most : 0);
    for (size_t i = 0; i < k; i += 8) {
        words4 a = integers4(row_floats(row, from, k, i) * factor);
        words4 b = integers4(row_floats(row, from, k, i + 4) * factor);
        words4 even = __builtin_shufflevector(a, b, 0, 2, 4, 6) & 0xFFu;
        words4 odd = __builtin_shufflevector(a, b, 1, 3, 5, 7) & 0xFFu;
        words4 pairs = even | odd << 8;
        for (size_t pair = 0; pair < 4 && i + 2 * pair < k; pair++) {
            uint16_t bytes = (uint16_t)pairs[pair];
            // What pads an odd row stays zero where the factor is infinite.
            if (i + 2 * pair + 1 >= k) bytes &= 0xFF;
            memcpy(out + (i / 2 + pair) * 2 * KERNEL_PANEL_WIDTH, &bytes, sizeof bytes);
        }
    }
}

INLINE void pack_integer_panel(const char *source, KernelType from, size_t columns, size_t k,
                               char *target) {
    size_t pairs = (k + 1) / 2;
    if (columns < KERNEL_PANEL_WIDTH) memset(target, 0, panel_bytes(pairs, KERNEL_INT8));
    float *scales = (float *)(target + pairs * 2 * KERNEL_PANEL_WIDTH);
    for (size_t column = 0; column < columns; column++) {
        pack_integers(source + column * k * element_bytes(from), from, k, target + 2 * column,
                      scales + column);
    }
}

INLINE void pack_panels(const void *source, KernelType from, size_t n, size_t k,
                        size_t first_panel, size_t panels, KernelType to, void *target) {
    const size_t bytes = panel_bytes((k + 1) / 2, to);
    for (size_t p = 0; p < panels; p++) {
        size_t first = (first_panel + p) * KERNEL_PANEL_WIDTH;
        size_t columns = n - first < KERNEL_PANEL_WIDTH ? n - first : KERNEL_PANEL_WIDTH;
        const char *rows = (const char *)source + first * k * element_bytes(from);
        char *panel = (char *)target + p * bytes;
        if (to == KERNEL_INT8) {
            pack_integer_panel(rows, from, columns, k, panel);
        } else {
            pack_panel(rows, from, columns, k, to, (uint32_t *)panel);
        }
    }
}

// `call` with the type a constant, so that each gets code of its own.
#define FOR_EACH_TYPE(from, call)                     \
    switch (from) {                                   \
    case KERNEL_F32: call(KERNEL_F32); break;         \
    case KERNEL_BF16: call(KERNEL_BF16); break;       \
    case KERNEL_F16: call(KERNEL_F16); break;         \
    case KERNEL_INT8: break; /* only inside panels */ \
    }

void kernel_pack(const void *source, KernelType from, size_t n, size_t k, size_t first_panel,
                 size_t panels, KernelType to, void *target) {
#define BRAINS(type) pack_panels(source, type, n, k, first_panel, panels, KERNEL_BF16, target)
#define FLOATS(type) pack_panels(source, type, n, k, first_panel, panels, KERNEL_F32, target)
#define INTEGERS(type) pack_panels(source, type, n, k, first_panel, panels, KERNEL_INT8, target)
    if (to == KERNEL_BF16) {
        FOR_EACH_TYPE(from, BRAINS)
    } else if (to == KERNEL_INT8) {
        FOR_EACH_TYPE(from, INTEGERS)
    } else {
        FOR_EACH_TYPE(from, FLOATS)
    }
#undef BRAINS
#undef FLOATS
#undef INTEGERS
}

static float brain_to_float(uint16_t brain) {
    uint32_t bits = (uint32_t)brain << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
void kernel_unpack_row(const void *packed, KernelType type, size_t k, size_t index, float *out) {
    size_t pairs = (k + 1) / 2, column = index % KERNEL_PANEL_WIDTH;
    const char *panel =
        (const char *)packed + index / KERNEL_PANEL_WIDTH * panel_bytes(pairs, type);
    const float *scales = (const float *)(panel + pairs * 2 * KERNEL_PANEL_WIDTH);
    for (size_t i = 0; i < k; i++) {
        size_t at = (i / 2 * KERNEL_PANEL_WIDTH + column) * 2 + i % 2;
        switch (type) {
        case KERNEL_INT8: out[i] = (float)((const int8_t *)panel)[at] * scales[column]; break;
        case KERNEL_BF16: out[i] = brain_to_float(((const uint16_t *)panel)[at]); break;
        default: out[i] = ((const float *)panel)[i * KERNEL_PANEL_WIDTH + column];
        }
    }
}

void kernel_unpack_panel(const void *packed, KernelType type, size_t pairs, float *out) {
    size_t count = pairs * 2 * KERNEL_PANEL_WIDTH;
    if (type != KERNEL_BF16) {
        memcpy(out, packed, count * sizeof(float));
        return;
    }
    for (size_t pair = 0; pair < pairs; pair++) {
        const uint16_t *words = (const uint16_t *)packed + pair * 2 * KERNEL_PANEL_WIDTH;
        float *row = out + pair * 2 * KERNEL_PANEL_WIDTH;
        for (size_t column = 0; column < KERNEL_PANEL_WIDTH; column++) {
            row[column] = brain_to_float(words[2 * column]);
            row[KERNEL_PANEL_WIDTH + column] = brain_to_float(words[2 * column + 1]);
        }
    }
}

// Words of 32 inputs: input i in the low half and input i + 16 in the high half of word i.
INLINE void pack_shrink_block(const char *from, KernelType type, uint32_t *target) {
    for (int i = 0; i < 16; i += 4) {
        words4 low = brains4_at(from + i * element_bytes(type), type);
        words4 high = brains4_at(from + (i + 16) * element_bytes(type), type);
        words4 words = low >> 16 | high;
        memcpy(target + i, &words, sizeof words);
    }
}

INLINE void copy_floats(const char *from, KernelType type, size_t n, float *target) {
    const size_t size = element_bytes(type);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        words4 words = floats4_at(from + i * size, type);
        memcpy(target + i, &words, sizeof words);
    }
    char padded[16] = {0};
    if (i < n) memcpy(padded, from + i * size, (n - i) * size);
    words4 words = floats4_at(padded, type);
    memcpy(target + i, &words, (n - i) * sizeof(float));
}

INLINE void pack_shrink_words(const char *source, KernelType from, size_t k, uint32_t *target) {
    const size_t size = element_bytes(from);
    size_t i = 0;
    for (; i + 32 <= k; i += 32) pack_shrink_block(source + i * size, from, target + i / 2);
    if (i == k) return;
    char padded[32 * 4] = {0};
    memcpy(padded, source + i * size, (k - i) * size);
    pack_shrink_block(padded, from, target + i / 2);
}

void kernel_pack_shrink_row(const void *source, KernelType from, size_t k, size_t depth,
                            KernelType to, void *target) {
    size_t written = (k + 31) / 32 * 32;
    if (to == KERNEL_BF16) {
#define WORDS(type) pack_shrink_words(source, type, k, target)
        FOR_EACH_TYPE(from, WORDS)
#undef WORDS
    } else {
        kernel_convert(source, from, k, target);
        written = k;
    }
    size_t size = element_bytes(to);
    memset((char *)target + written * size, 0, (depth - written) * size);
}

void kernel_convert(const void *source, KernelType from, size_t n, float *out) {
#define FLOATS(type) copy_floats(source, type, n, out)
    FOR_EACH_TYPE(from, FLOATS)
#undef FLOATS
}

INLINE void copy_brains(const char *from, KernelType type, size_t n, uint16_t *target) {
    const size_t size = element_bytes(type);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        words4 words = pairs4_at(from + i * size, type);
        memcpy(target + i, &words, sizeof words);
    }
    char padded[32] = {0};
    if (i < n) memcpy(padded, from + i * size, (n - i) * size);
    words4 words = pairs4_at(padded, type);
    memcpy(target + i, &words, (n - i) * sizeof(uint16_t));
}

void kernel_copy(const void *source, KernelType from, size_t n, KernelType to, void *target) {
    if (to == KERNEL_F32) {
        kernel_convert(source, from, n, target);
        return;
    }
#define BRAINS(type) copy_brains(source, type, n, target)
    FOR_EACH_TYPE(from, BRAINS)
#undef BRAINS
}

void kernel_angles(size_t position, const float *frequencies, size_t half, float *out) {
    for (size_t i = 0; i < half; i++) {
        float angle = (float)position * frequencies[i];
        out[i] = cosf(angle);
        out[half + i] = sinf(angle);
    }
}
