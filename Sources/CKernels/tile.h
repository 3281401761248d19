// SPDX-License-Identifier: Apache-2.0
//
// What the innermost loops of a product share: some rows by some columns, with all sums in
// registers, and what is fetched meanwhile. Included by body.h.

// Pairs of inputs during which one place is fetched: up to a cache line for each pair.
#define FETCH_PAIRS 16

// What is fetched while a product computes: what the expansions of its panel will read, then what
// is read later. The factors of many adapters come from memory and are used once. It is spread over
// all passes: more requests at a time than a core can have open would hold up the sums.
typedef struct {
    const KernelExpansion *next;
    const KernelExpansion *end;
    size_t panel;
    size_t offset;
    const KernelRange *later;
    const KernelRange *later_end;
    size_t later_offset;
    // Bytes for each pair of inputs.
    size_t step;
} Fetch;

typedef struct {
    const char *weights;
    const float *x;
    size_t x_stride;
    float *y;
    size_t y_stride;
    size_t pairs;
    bool accumulate;
    // int8: the rows' inputs as integers and their scales, and the scales of the columns.
    const int16_t *integers;
    size_t integers_stride;
    const float *row_scales;
    size_t row_scales_stride;
    const float *column_scales;
    // The weights to fetch meanwhile, and how far to advance for each pair of inputs.
    const char *ahead;
    size_t ahead_step;
    // NULL for a tile that fetches nothing.
    Fetch *fetch;
} Tile;

// Where the next FETCH_PAIRS steps begin, or NULL.
INLINE const char *next_fetch(Fetch *fetch) {
    const char *place = NULL;
    const size_t bytes = FETCH_PAIRS * fetch->step;
    if (fetch->next != fetch->end) {
        const KernelExpansion *e = fetch->next;
        place = (const char *)e->weights + fetch->panel * e->panel_bytes + fetch->offset;
        fetch->offset += bytes;
        if (fetch->offset >= e->panel_bytes) {
            fetch->offset = 0;
            fetch->next++;
        }
    } else if (fetch->later != fetch->later_end) {
        place = (const char *)fetch->later->start + fetch->later_offset;
        fetch->later_offset += bytes;
        if (fetch->later_offset >= fetch->later->bytes) {
            fetch->later_offset = 0;
            fetch->later++;
        }
    }
    return place;
}

// Bytes of one pair of inputs in a panel.
INLINE size_t pair_bytes(KernelType type) {
    switch (type) {
    case KERNEL_INT8: return KERNEL_PANEL_WIDTH * 2;
    case KERNEL_BF16: return KERNEL_PANEL_WIDTH * 4;
    default: return KERNEL_PANEL_WIDTH * 8;
    }
}

// From a column to the next, within the first input of a pair.
INLINE size_t column_bytes(KernelType type) { return type == KERNEL_INT8 ? 2 : 4; }

// Columns that a tile of so many rows takes: all 32 if the sums fit in registers.
#define TILE_COLUMNS(ROWS) \
    ((ROWS) <= KERNEL_WIDE_ROWS ? KERNEL_PANEL_WIDTH : KERNEL_NARROW_COLUMNS)

// Fetches `lines` cache lines of the weights to come, and one of something else.
INLINE void fetch_ahead(const char *ahead, const int lines, const char *other) {
    UNROLL for (int line = 0; line < lines; line++) {
        __builtin_prefetch(ahead + 64 * line, 0, KERNEL_PREFETCH_LOCALITY);
    }
    __builtin_prefetch(other, 0, 2);
}

typedef void (*TileFunction)(const Tile *);
