// SPDX-License-Identifier: Apache-2.0
//
// All kernels of one instruction set. Each including file defines, before it, the set's name and
// function attributes and how many registers there are to tile with:
//
// KERNEL_REGISTER_LANES   floats in a register
// KERNEL_TILE_ROWS        rows of a tile of a product, at the most
// KERNEL_WIDE_ROWS        up to so many rows, a tile takes all columns of a panel
// KERNEL_NARROW_COLUMNS   with more, it takes so many
// KERNEL_WEIGHT_VECTORS   registers that hold weights at a time
// KERNEL_SLICE_BYTES      weights that stay in the first cache while all rows pass by
// KERNEL_PREFETCH_BYTES   how far ahead of its use a weight is fetched that is used once
// KERNEL_ATTENTION_QUERIES  queries that attention takes at a time, and
// KERNEL_ATTENTION_VECTORS  registers of values
// KERNEL_KEEP             ties a sum to a register at this point: otherwise the compiler loads all
//                         rows' values before it uses any, and so runs out of registers
// KERNEL_MERGE_INPUTS     inputs of a tile of a merge
// KERNEL_MERGE_LANES      its columns, in sixteens
// KERNEL_ADD_PAIR_PRODUCTS  the instructions for sums + pairs of products, if there are any

#include "vector.h"
#include "registers.h"

#include "attention.h"
#include "tile.h"

#include "tile_float.h"
#include "tile_int8.h"

#include "tiles.h"

#include "product.h"
#include "quantize.h"
#include "merge.h"
#include "rows.h"
#include "sampling.h"
#include "shrink.h"

static const KernelTable table = {
    .name = KERNEL_NAME,
    .product = product,
    .quantize = quantize,
    .shrink = shrink,
    .norm = norm,
    .swiglu = swiglu,
    .add = add,
    .add_bias = add_bias,
    .rope = rope,
    .exponential = exponentials,
    .attend = attend,
    .attend_join = attend_join,
    .merge = merge,
    .merge_inputs = merge_inputs,
    .spin = spin,
    .read_all = read_all,
    .peak = peak,
    .weights = weights,
};
