// SPDX-License-Identifier: Apache-2.0
//
// The tiles of all heights and weight types. Included by body.h.

// The short sums of an adapter fetch nothing; its factors are f32 or bf16.
#define TILE_FUNCTIONS(ROWS)                                                            \
    static void tile_f32_##ROWS(const Tile *t) { tile(t, ROWS, KERNEL_F32, true); }     \
    static void tile_bf16_##ROWS(const Tile *t) { tile(t, ROWS, KERNEL_BF16, true); }   \
    static void tile_int8_##ROWS(const Tile *t) { tile_int8(t, ROWS); }                 \
    static void short_f32_##ROWS(const Tile *t) { tile(t, ROWS, KERNEL_F32, false); }   \
    static void short_bf16_##ROWS(const Tile *t) { tile(t, ROWS, KERNEL_BF16, false); }
#define TILE_ENTRY(ROWS)                                                              \
    {{[KERNEL_F32] = tile_f32_##ROWS, [KERNEL_BF16] = tile_bf16_##ROWS,               \
      [KERNEL_INT8] = tile_int8_##ROWS},                                              \
     {[KERNEL_F32] = short_f32_##ROWS, [KERNEL_BF16] = short_bf16_##ROWS}}

TILE_FUNCTIONS(1)
TILE_FUNCTIONS(2)
#if KERNEL_TILE_ROWS > 2
TILE_FUNCTIONS(3)
TILE_FUNCTIONS(4)
TILE_FUNCTIONS(5)
TILE_FUNCTIONS(6)
#endif
#if KERNEL_TILE_ROWS > 6
TILE_FUNCTIONS(7)
TILE_FUNCTIONS(8)
TILE_FUNCTIONS(9)
TILE_FUNCTIONS(10)
TILE_FUNCTIONS(11)
TILE_FUNCTIONS(12)
#endif

// By rows, whether the tile is short, and the type of the weights.
static const TileFunction tile_functions[KERNEL_TILE_ROWS][2][KERNEL_INT8 + 1] = {
    TILE_ENTRY(1), TILE_ENTRY(2),
#if KERNEL_TILE_ROWS > 2
    TILE_ENTRY(3), TILE_ENTRY(4), TILE_ENTRY(5), TILE_ENTRY(6),
#endif
#if KERNEL_TILE_ROWS > 6
    TILE_ENTRY(7), TILE_ENTRY(8), TILE_ENTRY(9), TILE_ENTRY(10), TILE_ENTRY(11), TILE_ENTRY(12),
#endif
};
