// SPDX-License-Identifier: Apache-2.0
//
// All kernels of one instruction set. Each including file defines, before it, the set's name and
// function attributes and how many registers there are to tile with.

#include "vector.h"

#include "attention.h"
#include "product.h"
#include "rows.h"
#include "shrink.h"

static const KernelTable table = {
    .name = KERNEL_NAME,
    .product = product,
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
    .spin = spin,
    .read_all = read_all,
};
