// SPDX-License-Identifier: Apache-2.0
//
// Rows of activations times a packed matrix. Included by body.h.
//
// This does not call a BLAS: its kernels differ with the number of rows, so a row's result would
// depend on the rows beside it, and at few rows they reach half of the memory's speed.
//
// A panel is read in slices of inputs that stay in the first cache while all rows pass by. While a
// slice is used, the one that follows arrives: each pass over a slice fetches its share of it.

_Static_assert(KERNEL_SLICE_BYTES / KERNEL_PANEL_WIDTH % KERNEL_GROUP_INPUTS == 0,
               "an int8 slice holds whole groups of inputs");

INLINE size_t tiles_of(size_t rows) { return (rows + KERNEL_TILE_ROWS - 1) / KERNEL_TILE_ROWS; }

// How often a slice is passed over: for each tile, once for each of its blocks of columns.
INLINE size_t passes_of(size_t rows) {
    size_t tiles = tiles_of(rows), most = (rows + tiles - 1) / tiles;
    return tiles * (KERNEL_PANEL_WIDTH / TILE_COLUMNS(most));
}

// One panel by the rows of one tile.
INLINE void tile_panel(Tile t, size_t rows, KernelType type, size_t ahead_bytes) {
    TileFunction function = tile_functions[rows - 1][t.fetch == NULL][type];
    const size_t columns = TILE_COLUMNS(rows);
    for (size_t column = 0; column < KERNEL_PANEL_WIDTH; column += columns) {
        function(&t);
        t.weights += columns * column_bytes(type);
        t.column_scales += columns;
        t.y += columns;
        t.ahead += ahead_bytes;
    }
}

// Calls a tile for as many rows as fit in registers, as evenly as it goes; `ahead_bytes` are
// fetched during each pass.
INLINE void tile_rows(Tile t, size_t rows, KernelType type, size_t ahead_bytes) {
    size_t tiles = tiles_of(rows), base = rows / tiles, larger_tiles = rows % tiles;
    for (size_t index = 0; index < tiles; index++) {
        size_t count = base + (index < larger_tiles ? 1 : 0);
        tile_panel(t, count, type, ahead_bytes);
        t.x += count * t.x_stride;
        t.integers += count * t.integers_stride;
        t.row_scales += count * t.row_scales_stride;
        t.y += count * t.y_stride;
        t.ahead += ahead_bytes * (KERNEL_PANEL_WIDTH / TILE_COLUMNS(count));
    }
}

// The inputs [start, end) of one panel; `start` begins a group of inputs.
typedef struct {
    const char *weights;
    const float *column_scales;
    size_t start;
    size_t end;
    float *y;
    // Weights that will be needed soon: they arrive meanwhile.
    const char *ahead;
} Slice;

INLINE void product_slice(const KernelProduct *g, Slice slice, Fetch *fetch) {
    size_t bytes = pair_bytes(g->type), passes = passes_of(g->rows);
    size_t pairs = (slice.end - slice.start) / 2;
    Tile t = {
        .weights = slice.weights,
        .x = g->x + slice.start,
        .x_stride = g->x_stride,
        .y = slice.y,
        .y_stride = g->y_stride,
        .pairs = pairs,
        .accumulate = g->accumulate || slice.start > 0,
        .integers = g->integers.values + slice.start,
        .integers_stride = g->integers.stride,
        .row_scales = g->integers.scales + slice.start / KERNEL_GROUP_INPUTS,
        .row_scales_stride = g->integers.scales_stride,
        .column_scales = slice.column_scales,
        .ahead = slice.ahead,
        .ahead_step = bytes / passes,
        .fetch = fetch,
    };
    tile_rows(t, g->rows, g->type, pairs * bytes / passes);
}

INLINE size_t slice_inputs(KernelType type) { return KERNEL_SLICE_BYTES / pair_bytes(type) * 2; }

// The slice of `panel` that begins with input `start`.
INLINE Slice slice_of(const KernelProduct *g, size_t panel, size_t start) {
    size_t bytes = pair_bytes(g->type), end = start + slice_inputs(g->type);
    const char *weights = (const char *)g->weights + panel * g->panel_bytes;
    return (Slice){
        .weights = weights + start / 2 * bytes,
        .column_scales = (const float *)(weights + g->depth / 2 * bytes),
        .start = start,
        .end = end < g->depth ? end : g->depth,
        .y = g->y + (panel - g->first_panel) * KERNEL_PANEL_WIDTH,
    };
}

// One panel, all rows, slice by slice.
static void product_panel(const KernelProduct *g, size_t panel, Fetch *fetch) {
    // In a single pass each weight is used once, and what is fetched is a fixed distance ahead.
    const bool once = passes_of(g->rows) == 1;
    const bool is_last = panel + 1 == g->first_panel + g->panels && g->next != NULL;
    for (size_t start = 0; start < g->depth;) {
        Slice slice = slice_of(g, panel, start);
        size_t bytes = (slice.end - start) / 2 * pair_bytes(g->type);
        start = slice.end;
        // Panels lie one behind the other, so the last slice runs on into the next panel.
        slice.ahead = slice.weights + (once ? KERNEL_PREFETCH_BYTES : bytes);
        if (!once && is_last && start == g->depth) slice.ahead = g->next;
        product_slice(g, slice, fetch);
    }
    if (!once || !is_last) return;
    for (size_t i = 0; i < KERNEL_PREFETCH_BYTES; i += 64) {
        __builtin_prefetch((const char *)g->next + i, 0, KERNEL_PREFETCH_LOCALITY);
    }
}

static void expand_panel(const KernelProduct *g, size_t panel, float *y) {
    for (size_t i = 0; i < g->expansion_count; i++) {
        const KernelExpansion *e = &g->expansions[i];
        size_t first = e->first_row > g->first_row ? e->first_row : g->first_row;
        size_t end = e->first_row + e->rows, last = g->first_row + g->rows;
        end = end < last ? end : last;
        if (first >= end) continue;
        Tile t = {
            .weights = (const char *)e->weights + panel * e->panel_bytes,
            .x = e->x + (first - e->first_row) * e->x_stride,
            .x_stride = e->x_stride,
            .y = y + (first - g->first_row) * g->y_stride,
            .y_stride = g->y_stride,
            .pairs = e->depth / 2,
            .accumulate = true,
        };
        // Many adapters, a row each: one tile then, and nothing to prepare.
        if (end - first <= KERNEL_WIDE_ROWS) {
            tile_functions[end - first - 1][true][e->type](&t);
        } else {
            tile_rows(t, end - first, e->type, 0);
        }
    }
}

// Bytes to fetch for each pair of inputs so that all arrive by the end, evenly: up to a cache line.
static size_t fetch_step(const KernelProduct *g) {
    size_t bytes = 0;
    for (size_t i = 0; i < g->expansion_count; i++) bytes += g->expansions[i].panel_bytes;
    bytes *= g->panels;
    for (size_t i = 0; i < g->later_count; i++) bytes += g->later[i].bytes;
    // An eighth more: the last piece of each range is cut short.
    size_t pairs = g->panels * passes_of(g->rows) * g->depth / 2, step = bytes * 9 / 8 / pairs + 1;
    return step < 64 ? step : 64;
}

// Few rows: the weights come from memory, panel by panel.
static void product_streaming(const KernelProduct *g) {
    Fetch fetch = {.later = g->later, .later_end = g->later + g->later_count};
    fetch.step = fetch_step(g);
    for (size_t panel = g->first_panel; panel < g->first_panel + g->panels; panel++) {
        fetch.next = g->expansions;
        fetch.end = g->expansions + g->expansion_count;
        fetch.panel = panel;
        fetch.offset = 0;
        product_panel(g, panel, &fetch);
        expand_panel(g, panel, g->y + (panel - g->first_panel) * KERNEL_PANEL_WIDTH);
    }
}

// Many rows: a slice of all rows' inputs stays in the second cache for all panels.
static void product_blocked(const KernelProduct *g) {
    Fetch fetch = {0};
    size_t end = g->first_panel + g->panels;
    for (size_t start = 0; start < g->depth; start += slice_inputs(g->type)) {
        for (size_t panel = g->first_panel; panel < end; panel++) {
            Slice slice = slice_of(g, panel, start);
            slice.ahead = slice.weights + g->panel_bytes;
            product_slice(g, slice, &fetch);
        }
    }
    for (size_t panel = g->first_panel; panel < end; panel++) {
        expand_panel(g, panel, g->y + (panel - g->first_panel) * KERNEL_PANEL_WIDTH);
    }
}

static void product(const KernelProduct *g) {
    if (g->rows == 0) return;
    if (g->rows <= KERNEL_STREAMED_ROWS) {
        product_streaming(g);
    } else {
        product_blocked(g);
    }
}
