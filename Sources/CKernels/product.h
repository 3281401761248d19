// SPDX-License-Identifier: Apache-2.0
//
// Rows of activations times a packed matrix. Included by body.h.
//
// This does not call a BLAS: its kernels differ with the number of rows, so a row's result would
// depend on the rows beside it, and at few rows they reach half of the memory's speed.

// A panel's slice of inputs that all rows pass by: it stays in the first cache.
#define SLICE_BYTES (32 * 1024)
// How far ahead of its use a weight is fetched when each is used once.
#define PREFETCH_BYTES 4096

// Pairs during which one place of FETCH_BYTES is fetched, a cache line for each.
#define FETCH_PAIRS 16
#define FETCH_BYTES (FETCH_PAIRS * 64)

// What is fetched while a product computes: what the expansions of its panel will read, then what
// is read later. The factors of many adapters come from memory and are used once.
typedef struct {
    const KernelExpansion *next;
    const KernelExpansion *end;
    size_t panel;
    size_t offset;
    const KernelRange *later;
    const KernelRange *later_end;
    size_t later_offset;
} Fetch;

typedef struct {
    const char *weights;
    const float *x;
    size_t x_stride;
    float *y;
    size_t y_stride;
    size_t pairs;
    bool accumulate;
    // What to fetch meanwhile, and how far to advance for each pair of inputs.
    const char *ahead;
    size_t ahead_step;
    // NULL for a tile that fetches nothing.
    Fetch *fetch;
} Tile;

// The next FETCH_BYTES to fetch, or NULL.
INLINE const char *next_fetch(Fetch *fetch) {
    const char *place = NULL;
    if (fetch->next != fetch->end) {
        const KernelExpansion *e = fetch->next;
        place = (const char *)e->weights + fetch->panel * e->panel_bytes + fetch->offset;
        fetch->offset += FETCH_BYTES;
        if (fetch->offset >= e->panel_bytes) {
            fetch->offset = 0;
            fetch->next++;
        }
    } else if (fetch->later != fetch->later_end) {
        place = (const char *)fetch->later->start + fetch->later_offset;
        fetch->later_offset += FETCH_BYTES;
        if (fetch->later_offset >= fetch->later->bytes) {
            fetch->later_offset = 0;
            fetch->later++;
        }
    }
    return place;
}

// Bytes of one pair of inputs in a panel.
INLINE size_t pair_bytes(KernelType type) {
    return type == KERNEL_BF16 ? KERNEL_PANEL_WIDTH * 4 : KERNEL_PANEL_WIDTH * 8;
}

// One tile: ROWS rows by LANES * 16 columns; all sums stay in registers.
#define LANES KERNEL_TILE_LANES
INLINE void tile(const Tile *t, const int ROWS, const KernelType type, const bool streams) {
    vf sums[KERNEL_TILE_ROWS][LANES];
    UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int l = 0; l < LANES; l++) {
        sums[r][l] = t->accumulate ? load(t->y + r * t->y_stride + 16 * l) : splat(0);
    }
    const char *w = t->weights;
    const char *ahead = t->ahead;
    const size_t stride = t->x_stride;
    // Every third row: the two between are reached by the addressing modes.
    const float *x[(KERNEL_TILE_ROWS + 2) / 3];
    UNROLL for (int i = 0; i <= (ROWS - 1) / 3; i++) x[i] = t->x + 3 * i * stride;
    const char *other = NULL;
    for (size_t pair = 0; pair < t->pairs; pair++) {
        if (streams) {
            if (pair % FETCH_PAIRS == 0) other = next_fetch(t->fetch);
            if (other != NULL) {
                __builtin_prefetch(other, 0, 2);
                other += 64;
            }
            __builtin_prefetch(ahead, 0, 2);
            if (t->ahead_step > 64) __builtin_prefetch(ahead + 64, 0, 2);
            ahead += t->ahead_step;
        }
        vf even[LANES], odd[LANES];
        UNROLL for (int l = 0; l < LANES; l++) {
            if (type == KERNEL_BF16) {
                vu words = load_words(w + 64 * l);
                even[l] = low_half(words);
                odd[l] = high_half(words);
            } else {
                even[l] = load((const float *)w + 16 * l);
                odd[l] = load((const float *)w + KERNEL_PANEL_WIDTH + 16 * l);
            }
        }
        UNROLL for (int r = 0; r < ROWS; r++) {
            vf value = splat(x[r / 3][r % 3 * stride]);
            UNROLL for (int l = 0; l < LANES; l++) sums[r][l] = madd(even[l], value, sums[r][l]);
            KERNEL_KEEP(sums[r]);
        }
        UNROLL for (int r = 0; r < ROWS; r++) {
            vf value = splat(x[r / 3][r % 3 * stride + 1]);
            UNROLL for (int l = 0; l < LANES; l++) sums[r][l] = madd(odd[l], value, sums[r][l]);
            KERNEL_KEEP(sums[r]);
        }
        w += pair_bytes(type);
        UNROLL for (int i = 0; i <= (ROWS - 1) / 3; i++) x[i] += 2;
    }
    UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int l = 0; l < LANES; l++) {
        store(t->y + r * t->y_stride + 16 * l, sums[r][l]);
    }
}

// With `streams`, the tile fetches what comes next; the short sums of an adapter do not.
#define TILE_FUNCTIONS(ROWS)                                                            \
    static void tile_f32_##ROWS(const Tile *t) { tile(t, ROWS, KERNEL_F32, true); }     \
    static void tile_bf16_##ROWS(const Tile *t) { tile(t, ROWS, KERNEL_BF16, true); }   \
    static void short_f32_##ROWS(const Tile *t) { tile(t, ROWS, KERNEL_F32, false); }   \
    static void short_bf16_##ROWS(const Tile *t) { tile(t, ROWS, KERNEL_BF16, false); }
#define TILE_ENTRY(ROWS) \
    {{tile_f32_##ROWS, tile_bf16_##ROWS}, {short_f32_##ROWS, short_bf16_##ROWS}}

typedef void (*TileFunction)(const Tile *);

TILE_FUNCTIONS(1)
TILE_FUNCTIONS(2)
#if KERNEL_TILE_ROWS > 2
TILE_FUNCTIONS(3)
TILE_FUNCTIONS(4)
#endif
#if KERNEL_TILE_ROWS > 4
TILE_FUNCTIONS(5)
TILE_FUNCTIONS(6)
TILE_FUNCTIONS(7)
TILE_FUNCTIONS(8)
TILE_FUNCTIONS(9)
TILE_FUNCTIONS(10)
TILE_FUNCTIONS(11)
TILE_FUNCTIONS(12)
#endif

static const TileFunction tile_functions[KERNEL_TILE_ROWS][2][2] = {
    TILE_ENTRY(1), TILE_ENTRY(2),
#if KERNEL_TILE_ROWS > 2
    TILE_ENTRY(3), TILE_ENTRY(4),
#endif
#if KERNEL_TILE_ROWS > 4
    TILE_ENTRY(5), TILE_ENTRY(6), TILE_ENTRY(7), TILE_ENTRY(8),
    TILE_ENTRY(9), TILE_ENTRY(10), TILE_ENTRY(11), TILE_ENTRY(12),
#endif
};

// One panel by the rows of one tile.
INLINE void tile_panel(Tile t, size_t rows, KernelType type) {
    TileFunction function = tile_functions[rows - 1][t.fetch == NULL][type];
    for (int column = 0; column < KERNEL_PANEL_WIDTH; column += 16 * LANES) {
        function(&t);
        t.weights += 16 * LANES * (type == KERNEL_BF16 ? 4 : sizeof(float));
        t.y += 16 * LANES;
        t.ahead_step = 0;
    }
}

// Calls a tile for as many rows as fit in registers, as evenly as it goes. `next` is the slice that
// comes afterwards; of it, as many bytes as this one has are fetched.
INLINE void tile_rows(Tile t, size_t rows, KernelType type, const char *next,
                      size_t slice_bytes) {
    size_t tiles = (rows + KERNEL_TILE_ROWS - 1) / KERNEL_TILE_ROWS;
    size_t base = rows / tiles, larger_tiles = rows % tiles;
    for (size_t index = 0; index < tiles; index++) {
        size_t count = base + (index < larger_tiles ? 1 : 0);
        // While a slice is used `tiles` times, the next one arrives.
        if (tiles > 1) t.ahead = next + index * slice_bytes / tiles;
        tile_panel(t, count, type);
        t.x += count * t.x_stride;
        t.y += count * t.y_stride;
    }
}

// One panel of a product, all rows, slice by slice; `next` is the panel that follows.
static void product_panel(const KernelProduct *g, const char *weights, float *y, Fetch *fetch,
                          const char *next) {
    size_t bytes = pair_bytes(g->type);
    size_t tiles = (g->rows + KERNEL_TILE_ROWS - 1) / KERNEL_TILE_ROWS;
    size_t depth = SLICE_BYTES / bytes * 2, tail = PREFETCH_BYTES / bytes * 2;
    // With one tile the slices only mark where fetching goes over to the next panel.
    if (tiles == 1) depth = g->depth > tail ? g->depth - tail : g->depth;
    size_t start = 0;
    do {
        size_t end = start + depth < g->depth ? start + depth : g->depth;
        const char *slice = weights + start / 2 * bytes;
        size_t slice_bytes = (end - start) / 2 * bytes;
        const char *following = end == g->depth ? next : slice + slice_bytes;
        Tile t = {
            .weights = slice,
            .x = g->x + start,
            .x_stride = g->x_stride,
            .y = y,
            .y_stride = g->y_stride,
            .pairs = (end - start) / 2,
            .accumulate = g->accumulate || start > 0,
            .ahead = start == 0 && end < g->depth ? slice + PREFETCH_BYTES : following,
            .ahead_step = bytes / tiles,
            .fetch = fetch,
        };
        tile_rows(t, g->rows, g->type, following, slice_bytes);
        start = end;
    } while (start < g->depth);
}

static void expand_panel(const KernelProduct *g, size_t panel, float *y) {
    for (size_t i = 0; i < g->expansion_count; i++) {
        const KernelExpansion *e = &g->expansions[i];
        size_t first = e->first_row > g->first_row ? e->first_row : g->first_row;
        size_t end = e->first_row + e->rows, last = g->first_row + g->rows;
        end = end < last ? end : last;
        if (first >= end) continue;
        const char *weights = (const char *)e->weights + panel * e->panel_bytes;
        Tile t = {
            .weights = weights,
            .x = e->x + (first - e->first_row) * e->x_stride,
            .x_stride = e->x_stride,
            .y = y + (first - g->first_row) * g->y_stride,
            .y_stride = g->y_stride,
            .pairs = e->depth / 2,
            .accumulate = true,
        };
        tile_rows(t, end - first, e->type, weights, 0);
    }
}

static void product(const KernelProduct *g) {
    if (g->rows == 0) return;
    const char *weights = (const char *)g->weights + g->first_panel * g->panel_bytes;
    float *y = g->y;
    Fetch fetch = {.later = g->later, .later_end = g->later + g->later_count};
    for (size_t panel = g->first_panel; panel < g->first_panel + g->panels; panel++) {
        fetch.next = g->expansions;
        fetch.end = g->expansions + g->expansion_count;
        fetch.panel = panel;
        fetch.offset = 0;
        bool is_last = panel + 1 == g->first_panel + g->panels;
        const char *next = is_last && g->next != NULL ? g->next : weights + g->panel_bytes;
        product_panel(g, weights, y, &fetch, next);
        expand_panel(g, panel, y);
        weights += g->panel_bytes;
        y += KERNEL_PANEL_WIDTH;
    }
}
