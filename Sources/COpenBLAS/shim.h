// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cblas.h>
#include <stdbool.h>

// OpenBLAS exports these in builds that choose their kernels at run time; they are in no header.
extern void gotoblas_dynamic_quit(void) __attribute__((weak));
extern void gotoblas_dynamic_init(void) __attribute__((weak));

// Chooses the kernels anew, by OPENBLAS_CORETYPE if it is set. False if this build has one set.
static inline bool shim_blas_choose_again(void) {
    if (gotoblas_dynamic_quit == 0 || gotoblas_dynamic_init == 0) return false;
    gotoblas_dynamic_quit();
    gotoblas_dynamic_init();
    return true;
}
